// Points, as discs with a size in the world, and segments, as lines with a width in pixels; both in their own colours.
import { CAMERA, Program, SRGB, vertexArray } from "./gl.js";

const POINT_VERTEX = `${CAMERA}
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 color;
uniform float diameter;
flat out vec3 v_color;
flat out float v_radius, v_depth;
void main() {
  vec3 q = seen(place);
  v_color = color;
  v_depth = q.z;
  v_radius = 0.5 * max(diameter * focal / q.z, 1.0);
  gl_Position = project(q);
  gl_PointSize = 2.0 * v_radius + 1.0;
}`;

// The rim covers a part of the samples of its pixels; without samples it is cut.
const POINT_FRAGMENT = `${SRGB}
uniform float unit;
uniform int sampled;
flat in vec3 v_color;
flat in float v_radius, v_depth;
out vec4 color;
void main() {
  float cover = clamp(v_radius + 0.5 - length(gl_PointCoord - 0.5) * (2.0 * v_radius + 1.0), 0.0, 1.0);
  if (cover <= (sampled == 1 ? 0.0 : 0.5)) discard;
  color = vec4(unit > 0.0 ? vec3(v_depth * unit, 1.0, 0.0) : linear(v_color), cover);
}`;

export class Points {
  constructor(gl) {
    this.gl = gl;
    this.program = new Program(gl, POINT_VERTEX, POINT_FRAGMENT);
  }

  make(piece, arrays) {
    const places = arrays[piece.places];
    const attributes = [[0, places, 3], [1, arrays[piece.colors], 3, { normalized: true }]];
    return { piece, array: vertexArray(this.gl, attributes), count: places.length / 3 };
  }

  draw({ piece, array, count }, values) {
    const { gl } = this;
    this.program.use({ ...values, diameter: piece.size });
    gl.bindVertexArray(array);
    gl.enable(gl.SAMPLE_ALPHA_TO_COVERAGE);
    gl.drawArrays(gl.POINTS, 0, count);
    gl.disable(gl.SAMPLE_ALPHA_TO_COVERAGE);
  }
}

// A segment is cut at the near plane, and a little nearer than it is, so that lines on a surface are seen.
const SEGMENT_VERTEX = `${CAMERA}
layout(location = 0) in vec3 first;
layout(location = 1) in vec3 last;
layout(location = 2) in vec3 color;
uniform float wide;  // half the width, in pixels
flat out vec3 v_color;
out float v_depth;
void main() {
  vec3 a = seen(first), b = seen(last);
  if (a.z < range.x && b.z < range.x) { gl_Position = vec4(0.0, 0.0, 2.0, 1.0); return; }
  if (a.z < range.x) a = mix(a, b, (range.x - a.z) / (b.z - a.z));
  if (b.z < range.x) b = mix(b, a, (range.x - b.z) / (a.z - b.z));
  vec2 way = pixel(b) - pixel(a);
  vec2 along = length(way) > 1e-6 ? normalize(way) : vec2(1.0, 0.0), aside = vec2(-along.y, along.x);
  bool far = gl_VertexID >= 2;
  vec3 q = far ? b : a;
  vec2 corner = pixel(q) + wide * ((far ? along : -along) + (gl_VertexID % 2 == 0 ? aside : -aside));
  v_color = color;
  v_depth = q.z;
  vec2 device = vec2(2.0, -2.0) * (corner / size - 0.5);
  gl_Position = vec4(device, device_depth(max(q.z * 0.9995, range.x)), 1.0) * q.z;
}`;

const SEGMENT_FRAGMENT = `${SRGB}
uniform float unit;
flat in vec3 v_color;
in float v_depth;
out vec4 color;
void main() { color = vec4(unit > 0.0 ? vec3(v_depth * unit, 1.0, 0.0) : linear(v_color), 1.0); }`;

export class Segments {
  constructor(gl) {
    this.gl = gl;
    this.program = new Program(gl, SEGMENT_VERTEX, SEGMENT_FRAGMENT);
  }

  make(piece, arrays) {
    const ends = arrays[piece.ends], each = { stride: 24, each: 1 };
    const attributes = [
      [0, ends, 3, each],
      [1, ends, 3, { ...each, offset: 12 }],
      [2, arrays[piece.colors], 3, { normalized: true, each: 1 }],
    ];
    return { piece, array: vertexArray(this.gl, attributes), count: ends.length / 6 };
  }

  draw({ piece, array, count }, values) {
    const { gl } = this;
    this.program.use({ ...values, wide: (piece.width / 2) * values.density });
    gl.bindVertexArray(array);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
  }
}
