// The arrays of the page: base64 lines, deflated, numbers of several bytes as planes (geokit/viewer/page/pack.py).

const KINDS = {
  uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, float32: Float32Array,
};

// The typed arrays of `listing`, in its order. total: their bytes. tell: is called with the share that is done.
export async function unpack(lines, listing, total, tell) {
  const bytes = await inflated(lines, total, tell);
  let at = 0;
  return listing.map(({ type, count, steps }) => {
    const size = KINDS[type].BYTES_PER_ELEMENT;
    const planes = bytes.subarray(at, at + size * count);
    at += size * count;
    const values = new KINDS[type](joined(planes, size, count).buffer);
    return steps ? summed(values) : values;
  });
}

async function inflated(lines, total, tell) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter(), reader = stream.readable.getReader();
  const feeding = (async () => {
    for (const line of lines) if (line) await writer.write(decoded(line));
    await writer.close();
  })();
  feeding.catch(() => {});  // what is wrong is said by the reader
  const bytes = new Uint8Array(total);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.set(value, at);
    at += value.length;
    tell(at / total);
  }
  if (at !== total) throw new Error("the page is not complete");
  return bytes;
}

function decoded(line) {
  const text = atob(line), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function joined(planes, size, count) {
  const bytes = new Uint8Array(size * count);
  for (let b = 0; b < size; b++)
    for (let i = 0, from = b * count; i < count; i++) bytes[i * size + b] = planes[from + i];
  return bytes;
}

// Even steps go up by half, odd ones down.
function summed(steps) {
  let value = 0;
  for (let i = 0; i < steps.length; i++) {
    value += steps[i] & 1 ? -((steps[i] + 1) / 2) : steps[i] / 2;
    steps[i] = value;
  }
  return steps;
}
