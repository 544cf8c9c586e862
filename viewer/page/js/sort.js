// The order in which splats are blended, found beside the drawing by a worker.

// The numbers of the splats before the plane `near`, farthest first; of equal depth the first is in front. means:
// (3 N). axis: (x, y, z, offset), whose product with a mean is its depth. ranges: [first, end] of what is visible.
// Complete in itself: the worker is made from this text. Two counting sorts: the bits of positive floats are ordered
// as the floats are.
export function backToFront(means, axis, near, ranges) {
  let count = 0;
  for (const [first, end] of ranges) count += end - first;
  const depths = new Float32Array(count), ids = new Uint32Array(count);
  let n = 0;
  for (const [first, end] of ranges)
    for (let i = first; i < end; i++) {
      const depth = axis[0] * means[3 * i] + axis[1] * means[3 * i + 1] + axis[2] * means[3 * i + 2] + axis[3];
      if (depth > near) (depths[n] = depth), (ids[n++] = i);
    }
  const keys = new Uint32Array(depths.buffer), low = new Uint32Array(65536), high = new Uint32Array(65536);
  for (let j = 0; j < n; j++) low[keys[j] & 65535]++, high[keys[j] >>> 16]++;
  for (let b = 1; b < 65536; b++) (low[b] += low[b - 1]), (high[b] += high[b - 1]);
  const byLow = new Uint32Array(n), order = new Uint32Array(n);
  for (let j = n - 1; j >= 0; j--) byLow[--low[keys[j] & 65535]] = j;
  for (let j = n - 1; j >= 0; j--) order[n - high[keys[byLow[j]] >>> 16]--] = ids[byLow[j]];
  return order;
}

// Sorts one view after the other, always the newest that was asked for. done: is called with each order.
export class Sorter {
  constructor(means, done) {
    this.done = done;
    this.busy = false;
    this.next = null;
    this.waiting = [];
    const text = `const backToFront = ${backToFront};
      let means;
      onmessage = ({ data }) => {
        if (data.means) { means = data.means; return; }
        const order = backToFront(means, data.axis, data.near, data.ranges);
        postMessage(order, [order.buffer]);
      };`;
    try {
      this.worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
      this.worker.onmessage = ({ data }) => this.finish(data);
      this.worker.onerror = () => this.alone(means);
      this.worker.postMessage({ means });
    } catch {
      this.alone(means);
    }
  }

  // Without workers the page sorts itself.
  alone(means) {
    this.worker = {
      postMessage: ({ axis, near, ranges }) =>
        setTimeout(() => this.finish(backToFront(means, axis, near, ranges))),
    };
    if (this.busy) this.worker.postMessage(this.current);
  }

  ask(view) {
    this.next = view;
    if (!this.busy) this.start();
  }

  // When everything that was asked for is done.
  rest() {
    return this.busy ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  start() {
    this.busy = true;
    this.current = this.next;
    this.next = null;
    this.worker.postMessage(this.current);
  }

  finish(order) {
    this.busy = false;
    this.done(order);
    if (this.next) this.start();
    else this.waiting.splice(0).forEach((resolve) => resolve());
  }
}
