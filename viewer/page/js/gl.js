// Small helpers around WebGL2, and what all shaders share.

// Uniforms of the camera; `project` takes camera axes to the clip space of a picture whose y grows downwards.
export const CAMERA = `
uniform mat3 rotation;
uniform vec3 translation, eye;
uniform vec2 size, range;  // of the picture in pixels; nearest and farthest depth
uniform float focal, unit;  // unit: one over the farthest depth where depths are drawn, else 0
vec3 seen(vec3 place) { return rotation * place + translation; }
vec2 pixel(vec3 q) { return focal * q.xy / q.z + 0.5 * size; }
float device_depth(float z) {
  return (range.y + range.x) / (range.y - range.x) - 2.0 * range.y * range.x / ((range.y - range.x) * z);
}
vec4 project(vec3 q) { return vec4(vec2(2.0, -2.0) * focal * q.xy / size, device_depth(q.z) * q.z, q.z); }
`;

export const SRGB = `
vec3 linear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
vec3 encoded(vec3 c) {
  c = clamp(c, 0.0, 1.0);
  return mix(12.92 * c, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}
`;

const HEAD = "#version 300 es\nprecision highp float;\nprecision highp int;\nprecision highp sampler2D;\n";

// A program with its uniforms: `set({name: value})` tells them; numbers, vectors, matrices (9 numbers) and textures.
export class Program {
  // captured: names of outputs that go into a buffer instead of a picture.
  constructor(gl, vertex, fragment, captured = null) {
    this.gl = gl;
    this.handle = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, HEAD + text);
      gl.compileShader(shader);
      gl.attachShader(this.handle, shader);
    }
    if (captured) gl.transformFeedbackVaryings(this.handle, captured, gl.INTERLEAVED_ATTRIBS);
    gl.linkProgram(this.handle);
    if (!gl.getProgramParameter(this.handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(this.handle).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`a shader is refused: ${[...logs, gl.getProgramInfoLog(this.handle)].filter(Boolean).join(" ")}`);
    }
    this.uniforms = new Map();
    for (let i = 0; i < gl.getProgramParameter(this.handle, gl.ACTIVE_UNIFORMS); i++) {
      const { name, type } = gl.getActiveUniform(this.handle, i);
      this.uniforms.set(name.replace("[0]", ""), { type, place: gl.getUniformLocation(this.handle, name) });
    }
  }

  use(values) {
    const { gl } = this;
    gl.useProgram(this.handle);
    let slot = 0;
    for (const [name, { type, place }] of this.uniforms) {
      const value = values[name];
      if (value === undefined) throw new Error(`the uniform ${name} has no value`);
      if (type === gl.SAMPLER_2D) {
        gl.activeTexture(gl.TEXTURE0 + slot);
        gl.bindTexture(gl.TEXTURE_2D, value);
        gl.uniform1i(place, slot++);
      } else if (type === gl.FLOAT_MAT3) gl.uniformMatrix3fv(place, true, value);
      else if (type === gl.FLOAT_VEC3) gl.uniform3fv(place, value);
      else if (type === gl.FLOAT_VEC2) gl.uniform2fv(place, value);
      else if (type === gl.INT) gl.uniform1i(place, value);
      else gl.uniform1f(place, value);
    }
  }
}

// A vertex array. attributes: [location, values, numbers each, options: { normalized, stride, offset, each }], where
// `each` of 1 means: one for an instance. Equal arrays share a buffer.
export function vertexArray(gl, attributes, indices = null) {
  const array = gl.createVertexArray(), buffers = new Map();
  gl.bindVertexArray(array);
  for (const [location, values, count, options = {}] of attributes) {
    if (!buffers.has(values)) {
      buffers.set(values, gl.createBuffer());
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers.get(values));
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.get(values));
    const kinds = { Float32Array: gl.FLOAT, Uint8Array: gl.UNSIGNED_BYTE, Int16Array: gl.SHORT };
    const kind = kinds[values.constructor.name];
    gl.enableVertexAttribArray(location);
    const { normalized = false, stride = 0, offset = 0, each = 0 } = options;
    gl.vertexAttribPointer(location, count, kind, normalized, stride, offset);
    gl.vertexAttribDivisor(location, each);
  }
  if (indices) {
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
  }
  gl.bindVertexArray(null);
  return array;
}

// A texture of whole rows of texels that shaders read by number. make: the typed array's constructor; format:
// [internal, type] of four numbers a texel; fill(values) writes them. Returns { texture, columns }.
export function store(gl, texels, make, [internal, type], fill) {
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE), columns = Math.min(most, 4096);
  const rows = Math.max(1, Math.ceil(texels / columns));
  if (rows > most) throw new Error("the splats are too many for the graphics of this device");
  const values = new make(4 * rows * columns);
  fill(values);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texImage2D(gl.TEXTURE_2D, 0, internal, columns, rows, 0, gl.RGBA, type, values);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  return { texture, columns };
}
