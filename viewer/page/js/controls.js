// Mouse, fingers and keys move the camera.

const TURN = 0.006, STEP = 0.08;  // radians: a pixel of a drag; a press of a key
const DOUBLE = 300, TRIP = 250;  // milliseconds: between two taps; of the way to another centre

export class Controls {
  constructor(renderer, camera, radius) {
    Object.assign(this, { renderer, camera, bounds: [1e-4 * radius, 100 * radius], fingers: new Map(), tap: null });
    const { canvas } = renderer, on = (name, action) => canvas.addEventListener(name, action, { passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => this.up(event));
    on("contextmenu", (event) => event.preventDefault());
    on("dblclick", (event) => this.center(event.offsetX, event.offsetY));
    on("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(0.0012 * Math.max(-400, Math.min(400, event.deltaY * lines))));
    });
    document.addEventListener("keydown", (event) => {
      if (event.target === document.body || event.target === canvas) this.key(event);
    });
  }

  down(event) {
    const { canvas } = this.renderer;
    this.stop();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.start = { x: event.offsetX, y: event.offsetY, several: this.fingers.size > 1 || this.start?.several };
  }

  move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return;
    const before = this.spread();
    const dx = event.offsetX - finger.x, dy = event.offsetY - finger.y;
    Object.assign(finger, { x: event.offsetX, y: event.offsetY });
    if (this.fingers.size > 1) {
      const after = this.spread();
      this.pan(after.x - before.x, after.y - before.y);
      if (before.reach > 0 && after.reach > 0) this.zoom(before.reach / after.reach);
    } else if (event.shiftKey || event.buttons & 6) this.pan(dx, dy);
    else this.turn(-TURN * dx, TURN * dy);
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    if (this.fingers.size || event.pointerType !== "touch") {
      if (!this.fingers.size) this.start = null;
      return;
    }
    // Browsers do not agree on double clicks of fingers.
    const { x, y, several } = this.start ?? {}, still = Math.hypot(event.offsetX - x, event.offsetY - y) < 10;
    const soon = this.tap && event.timeStamp - this.tap.time < DOUBLE;
    const double = soon && Math.hypot(x - this.tap.x, y - this.tap.y) < 30;
    this.start = null;
    if (several || !still) this.tap = null;
    else if (double) {
      this.tap = null;
      this.center(x, y);
    } else this.tap = { x, y, time: event.timeStamp };
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (steps && event.shiftKey) this.pan(...steps.map((n) => -24 * n));
    else if (steps) this.turn(STEP * steps[0], -STEP * steps[1]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.9);
    else if (event.key === "-") this.zoom(1 / 0.9);
    else return;
    event.preventDefault();
  }

  // The middle of the fingers and their mean distance from it.
  spread() {
    const all = [...this.fingers.values()], n = all.length;
    const x = all.reduce((sum, f) => sum + f.x, 0) / n, y = all.reduce((sum, f) => sum + f.y, 0) / n;
    return { x, y, reach: all.reduce((sum, f) => sum + Math.hypot(f.x - x, f.y - y), 0) / n };
  }

  turn(aside, upwards) {
    this.camera.turn(aside, upwards);
    this.renderer.moved();
  }

  pan(dx, dy) {
    const { clientWidth, clientHeight } = this.renderer.canvas;
    this.camera.pan(dx, dy, this.camera.view(clientWidth, clientHeight));
    this.renderer.moved();
  }

  zoom(factor) {
    this.stop();
    this.camera.zoom(factor, ...this.bounds);
    this.renderer.moved();
  }

  home() {
    this.stop();
    this.camera.home();
    this.renderer.moved();
  }

  // What is seen at a place of the window becomes the middle, in a short glide.
  center(x, y) {
    const place = this.renderer.placeAt(x, y);
    if (!place) return;
    this.stop();
    const { position, target } = this.camera, begin = performance.now();
    const trip = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : TRIP;
    const glide = () => {
      const t = Math.min(1, (performance.now() - begin) / trip);
      this.camera.approach(place, { position, target }, t * t * (3 - 2 * t));
      this.renderer.moved();
      this.gliding = t < 1 ? requestAnimationFrame(glide) : null;
    };
    glide();
  }

  stop() {
    cancelAnimationFrame(this.gliding);
  }
}
