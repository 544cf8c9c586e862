// What is drawn: the pieces of each layer, and which layers are visible.
import { Points, Segments } from "./marks.js";
import { Splats } from "./splats.js";
import { Surfaces } from "./surfaces.js";

export class Scene {
  // told: of geokit/viewer/page/export.py, with its arrays. sorted: is called when splats have a new order.
  static async make(gl, told, arrays, sorted) {
    const scene = new Scene();
    scene.told = told;
    scene.visible = told.layers.map((layer) => layer.visible);
    scene.makers = { triangles: new Surfaces(gl), points: new Points(gl), segments: new Segments(gl) };
    scene.pieces = [];
    for (const piece of told.pieces)
      scene.pieces.push({ layer: piece.layer, made: await scene.makers[piece.kind].make(piece, arrays) });
    scene.splats = told.splats && new Splats(gl, told.splats, arrays, told.near, sorted);
    return scene;
  }

  // Nearest and farthest depth of a view, a little outside of what there is.
  range({ rows, translation }) {
    const { middle, radius } = this.told;
    const depth = rows[2].reduce((sum, x, i) => sum + x * middle[i], translation[2]);
    const far = Math.max(depth + 1.05 * radius, 0.01 * radius);
    return [Math.max(depth - 1.05 * radius, far * 1e-4, 1e-6), far];
  }

  get hasSolid() {
    return this.pieces.some(({ layer }) => this.visible[layer]);
  }

  get hasSplats() {
    return Boolean(this.told.splats?.ranges.some(({ layer }) => this.visible[layer]));
  }

  // Surfaces, points and segments, in linear light, with depth. The alpha that they leave is what is seen through them.
  drawSolid(gl, values) {
    const shown = this.pieces.filter(({ layer }) => this.visible[layer]);
    const through = ({ made }) => made.piece.opacity < 1 && !values.unit;
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.ONE, gl.ZERO, gl.ZERO, gl.ZERO);
    for (const { made } of shown.filter((item) => !through(item))) this.makers[made.piece.kind].draw(made, values);
    gl.depthMask(false);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ZERO, gl.ONE_MINUS_SRC_ALPHA);
    for (const { made } of shown.filter(through)) this.makers.triangles.drawTransparent(made, values);
    gl.disable(gl.BLEND);
    gl.depthMask(true);
    gl.bindVertexArray(null);
  }
}
