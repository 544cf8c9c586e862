// Splats exactly as geokit's rasterizer draws them: projected once each, in the order of their depth, then blended.
import { Program, store } from "./gl.js";
import { BLEND_FRAGMENT, BLEND_VERTEX, NOTHING, projection } from "./splat_shaders.js";
import { Sorter } from "./sort.js";

export class Splats {
  // told: of geokit/viewer/page/splats.py. near: the nearest depth that is drawn. sorted: is called with a new order.
  constructor(gl, told, arrays, near, sorted) {
    Object.assign(this, { gl, told, near });
    const texels = Math.ceil((3 * ((told.degree + 1) ** 2 - 1)) / 4), { waves } = told;
    const captured = ["place", "axes", "conic", "color", ...Array.from({ length: waves }, (_, k) => `wave${k}`)];
    this.projection = new Program(gl, projection(told, texels), NOTHING, captured);
    this.blending = new Program(gl, BLEND_VERTEX(waves), BLEND_FRAGMENT(waves));
    this.textures = this.stored(texels, arrays);
    this.count = 0;
    this.orderBuffer = gl.createBuffer();
    this.projected = gl.createBuffer();
    const bytes = 16 * (4 + waves);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.projected);
    gl.bufferData(gl.ARRAY_BUFFER, told.count * bytes, gl.DYNAMIC_COPY);
    this.quads = gl.createVertexArray();
    gl.bindVertexArray(this.quads);
    for (let k = 0; k < 4 + waves; k++) {
      gl.enableVertexAttribArray(k);
      gl.vertexAttribPointer(k, 4, gl.FLOAT, false, bytes, 16 * k);
      gl.vertexAttribDivisor(k, 1);
    }
    this.ids = gl.createVertexArray();
    gl.bindVertexArray(this.ids);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.orderBuffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribIPointer(0, 1, gl.UNSIGNED_INT, 4, 0);
    gl.bindVertexArray(null);
    gl.bindBuffer(gl.ARRAY_BUFFER, null);
    this.sorter = new Sorter(arrays[told.means], (order) => {
      this.count = order.length;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.orderBuffer);
      gl.bufferData(gl.ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
      gl.bindBuffer(gl.ARRAY_BUFFER, null);
      sorted();
    });
  }

  // The textures in which the shaders find the splats.
  stored(texels, arrays) {
    const { gl, told } = this, get = (name) => arrays[told[name]];
    const [means, quats, logs, opacities] = ["means", "quats", "logScales", "opacities"].map(get);
    const sharp = new Uint8Array(told.count);
    for (const { start, count, antialiased } of told.ranges) if (antialiased) sharp.fill(1, start, start + count);
    const half = [gl.RGBA16F, gl.HALF_FLOAT];
    const places = store(gl, 3 * told.count, Float32Array, [gl.RGBA32F, gl.FLOAT], (values) => {
      for (let i = 0; i < told.count; i++) {
        for (let j = 0; j < 3; j++) {
          values[12 * i + j] = means[3 * i + j];
          values[12 * i + 8 + j] = Math.exp(logs[3 * i + j] / told.scaleStep);
        }
        values[12 * i + 3] = opacities[i] / 65535;
        const norm = Math.hypot(quats[4 * i], quats[4 * i + 1], quats[4 * i + 2], quats[4 * i + 3]);
        for (let j = 0; j < 4; j++) values[12 * i + 4 + j] = quats[4 * i + j] / norm;
        values[12 * i + 11] = sharp[i];
      }
    });
    const spread = (from, values, step) => {
      for (let i = 0; i < from.length / 3; i++) for (let j = 0; j < 3; j++) values[step * i + j] = from[3 * i + j];
    };
    const base = store(gl, told.count, Uint16Array, half, (values) => spread(get("base"), values, 4));
    const made = { columns: places.columns, places: places.texture, base: base.texture };
    if (texels)
      made.higher = store(gl, texels * told.count, Uint8Array, [gl.RGBA8, gl.UNSIGNED_BYTE], (values) =>
        values.set(get("higher"))).texture;
    if (told.waves) {
      const frequencies = get("frequencies"), weights = get("weights"), channels = told.coloredWaves ? 3 : 1;
      made.ripples = store(gl, 3 * told.waves * told.count, Uint16Array, half, (values) => {
        spread(frequencies, values, 12);
        for (let i = 0; i < told.waves * told.count; i++)
          for (let part = 0; part < 2; part++)
            for (let c = 0; c < 3; c++)
              values[12 * i + 4 + 4 * part + c] = weights[(2 * i + part) * channels + (channels === 3 ? c : 0)];
      }).texture;
    }
    return made;
  }

  // Ask for the order of a view. visible: of each layer.
  sort({ rows, translation }, visible) {
    const ranges = this.told.ranges.filter(({ layer }) => visible[layer]);
    this.sorter.ask({
      axis: [...rows[2], translation[2]], near: this.near,
      ranges: ranges.map(({ start, count }) => [start, start + count]),
    });
  }

  // Blends into the picture that is there. With a weight a colour channel each channel is a picture of its own.
  draw(values) {
    const { gl } = this;
    if (!this.count) return;
    const apart = this.told.coloredWaves && !values.unit;
    for (let channel = 0; channel < (apart ? 3 : 1); channel++) {
      this.project({ ...values, channel });
      this.blending.use(values);
      gl.bindVertexArray(this.quads);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      if (apart) gl.colorMask(channel === 0, channel === 1, channel === 2, false);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.count);
      gl.colorMask(true, true, true, true);
      gl.disable(gl.BLEND);
    }
    gl.bindVertexArray(null);
  }

  project(values) {
    const { gl, told } = this;
    this.projection.use({
      ...values, ...this.textures, nearest: this.near, largest: [...told.largest, 0, 0, 0].slice(0, 3),
    });
    gl.bindVertexArray(this.ids);
    gl.bindBufferBase(gl.TRANSFORM_FEEDBACK_BUFFER, 0, this.projected);
    gl.enable(gl.RASTERIZER_DISCARD);
    gl.beginTransformFeedback(gl.POINTS);
    gl.drawArrays(gl.POINTS, 0, this.count);
    gl.endTransformFeedback();
    gl.disable(gl.RASTERIZER_DISCARD);
    gl.bindBufferBase(gl.TRANSFORM_FEEDBACK_BUFFER, 0, null);
  }
}
