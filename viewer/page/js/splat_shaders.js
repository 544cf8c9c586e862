// The shaders of splats: one projects each of them, one blends its ellipse.
import { CAMERA } from "./gl.js";

const CUTS = `#define FAINTEST (1.0 / 255.0)
#define MOST_OPAQUE 0.999
`;

// What a splat's waves are called one by one: arrays cannot be captured.
const each = (waves, text) => Array.from({ length: waves }, (_, k) => text(k)).join(" ");

// One splat to its ellipse, colour and waves (cuda_ext/math: camera.h, gaussian.h, spherical_harmonics.h, gabor.h).
export const projection = ({ degree, waves }, texels) => `${CUTS}${CAMERA}
#define DEGREE ${degree}
#define WAVES ${waves}
#define TEXELS ${texels}
layout(location = 0) in uint id;
uniform sampler2D places, base${degree ? ", higher" : ""}${waves ? ", ripples" : ""};
uniform int columns, channel;
uniform float nearest;
uniform vec3 largest;
out vec4 place;  // the middle in pixels, depth of the device, opacity
out vec4 axes;   // half the axes of the ellipse that is drawn, in pixels
out vec4 conic;  // a, b, c, and the depth
out vec4 color;
#if WAVES
vec4 waves[WAVES];  // frequency in cycles per pixel, weights of cosine and sine
${each(waves, (k) => `out vec4 wave${k};`)}
#endif

ivec2 texel(int i) { return ivec2(i % columns, i / columns); }

mat3 rotation_of(vec4 q) {  // (w, x, y, z)
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return transpose(mat3(
    1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
    2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
    2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)));
}

vec3 colored(int i, vec3 d) {
  vec3 sum = 0.28209479177387814 * texelFetch(base, texel(i), 0).rgb;
#if DEGREE
  float h[4 * TEXELS];
  for (int t = 0; t < TEXELS; ++t) {
    vec4 code = (texelFetch(higher, texel(i * TEXELS + t), 0) * 255.0 - 128.0) / 127.0;
    vec4 value = code * abs(code);
    h[4 * t] = value.x, h[4 * t + 1] = value.y, h[4 * t + 2] = value.z, h[4 * t + 3] = value.w;
  }
  float x = d.x, y = d.y, z = d.z, xx = x * x, yy = y * y, zz = z * z;
  #define H(b) vec3(h[3 * (b) - 3], h[3 * (b) - 2], h[3 * (b) - 1])
  sum += largest.x * 0.48860251190291992 * (-y * H(1) + z * H(2) - x * H(3));
#endif
#if DEGREE > 1
  sum += largest.y * (1.0925484305920792 * (x * y * H(4) - y * z * H(5) - x * z * H(7))
    + (0.94617469575756008 * zz - 0.31539156525252005) * H(6) + 0.54627421529603959 * (xx - yy) * H(8));
#endif
#if DEGREE > 2
  sum += largest.z * (-0.59004358992664352 * (y * (3.0 * xx - yy) * H(9) + x * (xx - 3.0 * yy) * H(15))
    + 2.8906114426405538 * x * y * z * H(10) - 0.45704579946446572 * (5.0 * zz - 1.0) * (y * H(11) + x * H(13))
    + 0.37317633259011546 * z * (5.0 * zz - 3.0) * H(12) + 1.4453057213202769 * z * (xx - yy) * H(14));
#endif
  return max(0.5 + sum, 0.0);
}

void place_splat(int i) {
  vec4 mean = texelFetch(places, texel(3 * i), 0), scales = texelFetch(places, texel(3 * i + 2), 0);
  vec3 q = seen(mean.xyz);
  place = vec4(0.0), axes = vec4(0.0), conic = vec4(0.0), color = vec4(0.0);
#if WAVES
  for (int k = 0; k < WAVES; ++k) waves[k] = vec4(0.0);
#endif
  if (q.z <= nearest) return;
  // The affine camera P, inside the picture widened by 15 % on each side, and G = P M.
  vec2 slope = clamp(q.xy / q.z, -0.65 * size / focal, 0.65 * size / focal);
  mat3 turn = transpose(rotation);  // its columns are the axes of the camera
  mat3 factor = rotation_of(texelFetch(places, texel(3 * i + 1), 0));
  factor[0] *= scales.x, factor[1] *= scales.y, factor[2] *= scales.z;
  vec3 gx = (focal / q.z) * (turn[0] - slope.x * turn[2]) * factor;
  vec3 gy = (focal / q.z) * (turn[1] - slope.y * turn[2]) * factor;
  float xx = dot(gx, gx), xy = dot(gx, gy), yy = dot(gy, gy);
  float a = xx + 0.3, c = yy + 0.3, det = max(a * c - xy * xy, 1e-10);
  float opacity = mean.w * (scales.w > 0.0 ? sqrt(max((xx * yy - xy * xy) / det, 0.0)) : 1.0);
  conic = vec4(c / det, -xy / det, a / det, q.z);
  float strongest = 1.0;
#if WAVES
  for (int k = 0; k < WAVES; ++k) {
    int at = 3 * (i * WAVES + k);
    vec3 u = texelFetch(ripples, texel(at), 0).xyz * factor;
    vec2 weight = vec2(texelFetch(ripples, texel(at + 1), 0)[channel], texelFetch(ripples, texel(at + 2), 0)[channel]);
    vec2 moment = vec2(dot(gx, u), dot(gy, u));
    vec2 frequency = vec2(conic.x * moment.x + conic.y * moment.y, conic.y * moment.x + conic.z * moment.y);
    float left = max(dot(u, u) - dot(frequency, moment), 0.0);
    weight *= exp(-19.739208802178716 * left);
    waves[k] = vec4(frequency, weight);
    strongest += length(weight);
  }
#endif
  // Only where alpha >= 1/255 is anything drawn: within sqrt(reach) standard deviations.
  float reach = 2.0 * log(opacity * strongest / FAINTEST);
  if (!(reach > 0.0)) return;
  float middle = 0.5 * (a + c), apart = length(vec2(0.5 * (a - c), xy)), wide = middle + apart;
  vec2 major = abs(xy) > 1e-9 * wide ? normalize(a > c ? vec2(wide - c, xy) : vec2(xy, wide - a))
                                     : (a >= c ? vec2(1.0, 0.0) : vec2(0.0, 1.0));
  axes = vec4(major * sqrt(reach * wide), vec2(-major.y, major.x) * sqrt(reach * max(middle - apart, 0.3)));
  place = vec4(pixel(q), clamp(device_depth(q.z), -1.0, 1.0), opacity);
  color = vec4(colored(i, normalize(mean.xyz - eye)), 1.0);
}

void main() {
  place_splat(int(id));
  ${each(waves, (k) => `wave${k} = waves[${k}];`)}
}`;

export const NOTHING = "out vec4 nothing; void main() { nothing = vec4(0.0); }";

export const BLEND_VERTEX = (waves) => `
layout(location = 0) in vec4 place;
layout(location = 1) in vec4 axes;
layout(location = 2) in vec4 conic;
layout(location = 3) in vec4 color;
${each(waves, (k) => `layout(location = ${4 + k}) in vec4 wave${k};`)}
uniform vec2 size;
out vec2 v_offset;
flat out vec4 v_conic, v_color;
${waves ? `flat out vec4 v_waves[${waves}];` : ""}
void main() {
  vec2 corner = 1.01 * vec2(gl_VertexID % 2 == 0 ? -1.0 : 1.0, gl_VertexID < 2 ? -1.0 : 1.0);
  v_offset = corner.x * axes.xy + corner.y * axes.zw;
  v_conic = conic;
  v_color = vec4(color.rgb, place.w);
  ${each(waves, (k) => `v_waves[${k}] = wave${k};`)}
  gl_Position = vec4(vec2(2.0, -2.0) * ((place.xy + v_offset) / size - 0.5), place.z, 1.0);
}`;

export const BLEND_FRAGMENT = (waves) => `${CUTS}
uniform float unit;
in vec2 v_offset;
flat in vec4 v_conic, v_color;
${waves ? `flat in vec4 v_waves[${waves}];` : ""}
out vec4 color;
void main() {
  vec2 d = v_offset;
  float alpha = v_color.a * exp(-0.5 * (v_conic.x * d.x * d.x + 2.0 * v_conic.y * d.x * d.y + v_conic.z * d.y * d.y));
  ${waves ? `float ripple = 1.0;
  for (int k = 0; k < ${waves}; ++k) {
    float phase = 6.283185307179586 * dot(v_waves[k].xy, d);
    ripple += v_waves[k].z * cos(phase) + v_waves[k].w * sin(phase);
  }
  alpha *= ripple;` : ""}
  if (!(alpha >= FAINTEST)) discard;
  alpha = min(alpha, MOST_OPAQUE);
  color = vec4((unit > 0.0 ? vec3(v_conic.w * unit, 1.0, 0.0) : v_color.rgb) * alpha, alpha);
}`;
