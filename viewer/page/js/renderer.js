// From a scene and a camera to the picture: what is solid in linear light, smoothed; then splats over it, in sRGB.
import { Program, SRGB } from "./gl.js";
import { free, target } from "./targets.js";

const COVER = "void main() { gl_Position = vec4(vec2(gl_VertexID % 2, gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0); }";
const COPY = `${SRGB}
uniform sampler2D picture;
uniform int way;  // PLAIN, ALONE or OVER
uniform vec3 backdrop;  // linear
out vec4 color;
void main() {
  vec4 texel = texelFetch(picture, ivec2(gl_FragCoord.xy), 0);
  float covered = 1.0 - texel.a;
  if (way == 0) color = texel;
  else if (way == 1) color = vec4(encoded(texel.rgb + texel.a * backdrop), 1.0);
  else color = vec4(covered > 0.0 ? encoded(texel.rgb / covered) * covered : vec3(0.0), texel.a);
}`;
// As it is; what is solid before the backdrop, in linear light; what is solid, to be blended over what is there.
const PLAIN = 0, ALONE = 1, OVER = 2;
const LIGHT = [1, 1, 1], DARK = [23 / 255, 25 / 255, 29 / 255];  // as in page.css
const SLOW = 50, REST = 250;  // milliseconds: between pictures while moving; until the camera counts as resting
const COARSEST = 0.35;
const NO_WEBGL2 =
  "this browser cannot draw the scene: it has no WebGL2. Update it, or switch on its graphics acceleration.";
const INTERRUPTED = "the graphics were interrupted; load the page again.";

export class Renderer {
  constructor(canvas, camera, lighting) {
    const options = { alpha: false, antialias: false, depth: false, powerPreference: "high-performance" };
    const gl = canvas.getContext("webgl2", options);
    if (!gl) throw new Error(NO_WEBGL2);
    Object.assign(this, { gl, canvas, camera, lighting, scene: null, dark: false, pending: false });
    Object.assign(this, { scale: 1, coarse: 1 });  // of the window's pixels: now; while a slow machine moves
    // Half floats keep many faint splats apart, and colours beyond white until they are covered.
    this.deep = Boolean(gl.getExtension("EXT_color_buffer_float") || gl.getExtension("EXT_color_buffer_half_float"));
    this.copy = new Program(gl, COVER, COPY);
    this.empty = gl.createVertexArray();
    this.format = this.deep ? gl.RGBA16F : gl.RGBA8;
    const offered = gl.getInternalformatParameter(gl.RENDERBUFFER, gl.SRGB8_ALPHA8, gl.SAMPLES) ?? [];
    this.samples = Math.min(4, offered[0] ?? 0);
    new ResizeObserver(() => this.request()).observe(canvas);
    canvas.addEventListener("webglcontextlost", () => this.failed?.(INTERRUPTED));
  }

  // Draw soon.
  request() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame((now) => {
      this.pending = false;
      this.pace(now);
      this.draw();
    });
  }

  // The camera moves: slow machines draw coarsely until it rests.
  moved() {
    this.moving = true;
    this.scale = this.coarse;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.moving = false;
      this.last = undefined;
      this.scale = 1;
      this.request();
    }, REST);
    this.request();
  }

  pace(now) {
    if (!this.moving) return;
    const took = now - (this.last ?? now);
    this.last = now;
    this.late = took > SLOW && took < 20 * SLOW ? (this.late ?? 0) + 1 : 0;
    if (this.late < 3 || this.coarse === COARSEST) return;
    this.late = 0;
    this.coarse = Math.max(COARSEST, 0.7 * this.coarse);
  }

  draw() {
    if (!this.scene || this.gl.isContextLost()) return;
    const { gl, scene } = this;
    this.fit();
    const view = this.camera.view(this.width, this.height);
    if (scene.splats) this.sortFor(view);
    this.blend(this.values(view, 0), this.dark ? DARK : LIGHT);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.width, this.height);
    this.paste(this.blended, PLAIN);
  }

  // The picture, in `this.blended`. In an sRGB buffer the samples of a pixel are averaged in linear light.
  blend(values, backdrop) {
    const { gl, width, height, scene } = this;
    this.begin(this.samples ? this.smooth : this.solid, [0, 0, 0, 1]);
    scene.drawSolid(gl, values);
    if (this.samples) {
      gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.smooth.frame);
      gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, this.solid.frame);
      for (const part of [gl.COLOR_BUFFER_BIT, gl.DEPTH_BUFFER_BIT])
        gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, part, gl.NEAREST);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.blended.frame);
    if (!scene.hasSplats) return this.paste(this.solid, ALONE, backdrop.map(linear));
    gl.clearColor(...backdrop, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (scene.hasSolid) {
      // Edges that cover a pixel in part let through the splats behind them, not the backdrop.
      this.drawSplats(values, gl.GREATER);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.SRC_ALPHA);
      this.paste(this.solid, OVER);
      gl.disable(gl.BLEND);
    }
    this.drawSplats(values, gl.LEQUAL);
  }

  begin(made, color) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, made.frame);
    gl.viewport(0, 0, this.width, this.height);
    gl.clearColor(...color);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
  }

  // Those whose middles lie nearer than what is solid, or farther.
  drawSplats(values, nearer) {
    const { gl, scene } = this;
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(nearer);
    gl.depthMask(false);
    scene.splats?.draw(values);
    gl.depthMask(true);
    gl.disable(gl.DEPTH_TEST);
  }

  // Copies a target into the frame that is bound.
  paste(made, way, backdrop = [0, 0, 0]) {
    const { gl } = this;
    gl.disable(gl.DEPTH_TEST);
    this.copy.use({ picture: made.texture, way, backdrop });
    gl.bindVertexArray(this.empty);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.bindVertexArray(null);
  }

  // What the shaders are told. unit: see gl.js.
  values(view, unit) {
    return {
      ...this.lighting, rotation: view.rows.flat(), translation: view.translation, eye: view.eye, focal: view.focal,
      size: [view.width, view.height], range: this.scene.range(view), unit, sampled: Number(this.samples > 0),
      columns: this.scene.splats?.textures.columns ?? 1, density: this.density,
    };
  }

  sortFor(view) {
    const wanted = JSON.stringify([view.rows[2], view.translation[2], this.scene.visible]);
    if (wanted === this.sorted) return;
    this.sorted = wanted;
    this.scene.splats.sort(view, this.scene.visible);
  }

  // The depth of what is seen at a place of the window (CSS pixels from its corner); null where nothing is.
  depthAt(x, y) {
    const { gl } = this;
    this.fit();
    const view = this.camera.view(this.width, this.height), values = this.values(view, 0);
    const unit = 1 / values.range[1];
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((x / box.width) * this.width), row = Math.floor((1 - y / box.height) * this.height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(column, row, 1, 1);
    this.begin(this.blended, [0, 0, 0, 0]);
    this.scene.drawSolid(gl, { ...values, unit, sampled: 0 });
    this.drawSplats({ ...values, unit }, gl.LEQUAL);
    gl.disable(gl.SCISSOR_TEST);
    const found = this.deep ? new Float32Array(4) : new Uint8Array(4);
    gl.readPixels(column, row, 1, 1, gl.RGBA, this.deep ? gl.FLOAT : gl.UNSIGNED_BYTE, found);
    const cover = this.deep ? found[1] : found[1] / 255;
    return cover > 0.1 ? found[0] / found[1] / unit : null;
  }

  // The place in view coordinates that is seen there, or null.
  placeAt(x, y) {
    const depth = this.depthAt(x, y);
    if (depth === null) return null;
    const box = this.canvas.getBoundingClientRect(), view = this.camera.view(box.width, box.height);
    const q = [(depth * (x - box.width / 2)) / view.focal, (depth * (y - box.height / 2)) / view.focal, depth];
    return [0, 1, 2].map((j) => view.eye[j] + view.rows.reduce((sum, row, i) => sum + row[j] * q[i], 0));
  }

  // The canvas and what is drawn into have the window's pixels, coarser while a slow machine moves.
  fit() {
    const { gl, canvas } = this;
    this.density = Math.min(window.devicePixelRatio || 1, 2) * this.scale;
    const most = gl.getParameter(gl.MAX_RENDERBUFFER_SIZE);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) =>
      Math.max(1, Math.min(most, Math.round(n * this.density))));
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height });
    Object.assign(canvas, { width, height });
    for (const made of [this.smooth, this.solid, this.blended]) free(gl, made);
    this.solid = target(gl, { width, height, format: gl.SRGB8_ALPHA8 });
    this.blended = target(gl, { width, height, format: this.format, depth: this.solid.depth });
    if (this.samples) this.smooth = target(gl, { width, height, format: gl.SRGB8_ALPHA8, samples: this.samples });
  }
}

const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
