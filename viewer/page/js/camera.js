// A camera that turns around a target. Axes as geokit's: x right, y down, z forward; all in view coordinates.
import { add, between, cross, dot, length, minus, times, turned, unit } from "./vectors.js";

const POLE = 0.02;  // radians that are left between the line of sight and upwards

export class OrbitCamera {
  // first: { position, target, up, focal, size: [width, height] }, the last two in pixels of the first picture.
  constructor(first) {
    this.first = first;
    this.home();
  }

  home() {
    const { position, target, up, focal, size } = this.first;
    Object.assign(this, { position, target, up: unit(up), focal, size });
  }

  // Rows of world-to-camera, translation, and pixels: the whole first picture fits into any window.
  view(width, height) {
    const forward = unit(minus(this.target, this.position));
    const right = unit(cross(forward, this.up)), down = cross(forward, right);
    const rows = [right, down, forward];
    return {
      rows,
      translation: rows.map((row) => -dot(row, this.position)),
      eye: this.position,
      focal: this.focal * Math.min(width / this.size[0], height / this.size[1]),
      width,
      height,
    };
  }

  get distance() {
    return length(minus(this.target, this.position));
  }

  // Angles in radians: to the side, and upwards.
  turn(aside, upwards) {
    let arm = turned(minus(this.position, this.target), this.up, aside);
    const height = Math.acos(Math.max(-1, Math.min(1, dot(unit(arm), this.up))));  // from upwards
    const wanted = Math.max(POLE, Math.min(Math.PI - POLE, height - upwards));
    arm = turned(arm, unit(cross(this.up, arm)), wanted - height);
    this.position = add(this.target, arm);
  }

  // Moves with the hand: dx, dy in pixels of a window.
  pan(dx, dy, view) {
    const unitsPerPixel = this.distance / view.focal;
    const move = add(times(view.rows[0], -dx * unitsPerPixel), times(view.rows[1], -dy * unitsPerPixel));
    this.position = add(this.position, move);
    this.target = add(this.target, move);
  }

  // factor: on the distance to the target. least, most: bounds of that distance.
  zoom(factor, least, most) {
    const distance = Math.max(least, Math.min(most, this.distance * factor));
    this.position = add(this.target, times(unit(minus(this.position, this.target)), distance));
  }

  // Part of the way to looking at `point` from the same side and distance. start: { position, target }.
  approach(point, start, share) {
    const arm = minus(start.position, start.target);
    const near = times(unit(arm), Math.abs(dot(minus(start.position, point), unit(arm))));
    this.target = between(start.target, point, share);
    this.position = between(start.position, add(point, near), share);
  }

  // world_to_camera: (16) rows of the pose in view coordinates; focal in pixels of a picture of `size`.
  look(pose, focal, size, reach) {
    const rows = [0, 4, 8].map((i) => pose.slice(i, i + 3)), translation = [pose[3], pose[7], pose[11]];
    this.position = [0, 1, 2].map((j) => -rows.reduce((sum, row, i) => sum + row[j] * translation[i], 0));
    this.target = add(this.position, times(rows[2], reach));
    this.up = times(rows[1], -1);
    Object.assign(this, { focal, size });
  }
}
