// Triangles, lit as geokit.geometry.shading lights them: in linear light, by lights that move with the camera.
import { CAMERA, Program, SRGB, vertexArray } from "./gl.js";

const VERTEX = `${CAMERA}
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 color;
layout(location = 3) in vec2 uv;
out vec3 v_place;
centroid out vec3 v_normal, v_color;  // where a pixel is covered in part: inside of the triangle
centroid out vec2 v_uv;
void main() {
  v_place = seen(place);
  v_normal = rotation * normal;
  v_color = color;
  v_uv = vec2(uv.x, 1.0 - uv.y);
  gl_Position = project(v_place);
}`;

// Surfaces without normals are flat: theirs are those of the plane that the screen sees. Both sides are lit alike; the
// plane says which one is seen, because smooth normals may look away just inside of an outline.
const FRAGMENT = `${SRGB}
uniform vec3 key_direction, fill_direction;
uniform float key, fill, sky, ground, highlight, gloss, opacity, unit;
uniform int lit, textured;
uniform sampler2D picture;
in vec3 v_place;
centroid in vec3 v_normal, v_color;
centroid in vec2 v_uv;
out vec4 color;
vec3 shade(vec3 albedo, vec3 normal, vec3 view) {
  float light = mix(ground, sky, clamp(0.5 - 0.5 * normal.y, 0.0, 1.0));
  light += key * max(dot(normal, key_direction), 0.0) + fill * max(dot(normal, fill_direction), 0.0);
  float shine = pow(max(dot(normal, normalize(view + key_direction)), 1e-4), gloss);
  return albedo * light + highlight * shine;
}
void main() {
  vec3 flat_normal = cross(dFdx(v_place), dFdy(v_place));
  if (dot(flat_normal, v_place) > 0.0) flat_normal = -flat_normal;
  vec4 texel = texture(picture, v_uv, -0.5);
  vec3 light = linear(textured == 1 ? mix(v_color, texel.rgb, texel.a) : v_color);
  if (lit == 1) {
    vec3 normal = dot(v_normal, v_normal) > 1e-6 ? v_normal : flat_normal;
    if (dot(normal, flat_normal) < 0.0) normal = -normal;
    light = shade(light, normalize(normal), -normalize(v_place));
  }
  color = unit > 0.0 ? vec4(v_place.z * unit, 1.0, 0.0, 1.0) : vec4(light, opacity);
}`;

export class Surfaces {
  constructor(gl) {
    this.gl = gl;
    this.program = new Program(gl, VERTEX, FRAGMENT);
    this.white = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.white);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array([255, 255, 255, 255]));
  }

  // piece: what geokit/viewer/page/pieces.py told. Returns what `draw` draws.
  async make(piece, arrays) {
    const { gl } = this, indices = arrays[piece.faces];
    const attributes = [
      [0, arrays[piece.places], 3],
      [2, arrays[piece.colors], 3, { normalized: true }],
    ];
    if (piece.normals !== undefined) attributes.push([1, arrays[piece.normals], 3, { normalized: true }]);
    if (piece.uv !== undefined) attributes.push([3, arrays[piece.uv], 2]);
    const texture = piece.texture === undefined ? null : await pictureTexture(gl, arrays[piece.texture]);
    return { piece, array: vertexArray(gl, attributes, indices), count: indices.length, texture };
  }

  draw({ piece, array, count, texture }, values) {
    const { gl } = this;
    this.program.use({
      ...values, opacity: piece.opacity, lit: Number(piece.shading !== "unlit"), textured: Number(texture !== null),
      picture: texture ?? this.white,
    });
    gl.bindVertexArray(array);
    gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 0);
  }

  // Seen through: what is behind is drawn first, as far as the two sides of one surface go.
  drawTransparent(surface, values) {
    const { gl } = this;
    gl.enable(gl.CULL_FACE);
    for (const side of [gl.FRONT, gl.BACK]) {
      gl.cullFace(side);
      this.draw(surface, values);
    }
    gl.disable(gl.CULL_FACE);
  }
}

// The bytes of a .png as a texture that repeats.
async function pictureTexture(gl, bytes) {
  const plain = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const blob = new Blob([bytes], { type: "image/png" }), most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  let bitmap = await createImageBitmap(blob, plain);
  const larger = Math.max(bitmap.width, bitmap.height) / most;
  if (larger > 1) {
    const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.floor(n / larger)));
    bitmap = await createImageBitmap(blob, { ...plain, resizeWidth, resizeHeight });
  }
  const texture = gl.createTexture(), sharp = gl.getExtension("EXT_texture_filter_anisotropic");
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  if (sharp) gl.texParameterf(gl.TEXTURE_2D, sharp.TEXTURE_MAX_ANISOTROPY_EXT, 4);
  return texture;
}
