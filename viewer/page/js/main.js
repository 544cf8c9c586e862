// The page: unpack, draw, listen.
import { OrbitCamera } from "./camera.js";
import { Controls } from "./controls.js";
import { fillPanel } from "./panel.js";
import { Renderer } from "./renderer.js";
import { Scene } from "./scene.js";
import { unpack } from "./unpack.js";

const status = document.getElementById("status");

function fail(sentence) {
  status.className = "failed";
  status.textContent = sentence;
}

async function open() {
  const told = JSON.parse(document.getElementById("scene").textContent), data = document.getElementById("data");
  const camera = new OrbitCamera(told.camera);
  const renderer = new Renderer(document.getElementById("view"), camera, told.lighting);
  renderer.failed = fail;
  if (!("DecompressionStream" in window)) throw new Error("this browser is too old to unpack the scene; update it.");
  const arrays = await unpack(data.textContent.split("\n"), told.arrays, told.bytes, (share) => {
    status.textContent = `Opening … ${Math.round(100 * share)} %`;
  });
  data.remove();
  const scene = await Scene.make(renderer.gl, told, arrays, () => renderer.request());
  renderer.scene = scene;
  fillPanel(renderer, scene, new Controls(renderer, camera, told.radius));

  // The picture as it is once everything has come to rest, as a data: address of a .png.
  const picture = async () => {
    Object.assign(renderer, { moving: false, scale: 1 });
    renderer.draw();
    await scene.splats?.sorter.rest();
    renderer.draw();
    return renderer.canvas.toDataURL("image/png");
  };
  // pose: world_to_camera, 16 numbers by rows, in the world of the shapes, OpenCV axes; focal: in pixels of a picture
  // of `size` [width, height], whose middle is the middle of the window.
  const setCamera = ({ pose, focal, size }) => {
    const { center, scale } = told.frame, moved = [...pose];
    for (let i = 0; i < 3; i++)
      moved[4 * i + 3] = scale * (pose[4 * i + 3] + [0, 1, 2].reduce((sum, j) => sum + pose[4 * i + j] * center[j], 0));
    camera.look(moved, focal, size, camera.distance);
    renderer.request();
  };
  await picture();
  status.textContent = "";
  return { picture, setCamera, camera };
}

// For scripts and tests: window.geokit.ready is a promise of { picture, setCamera, camera }.
window.geokit = { ready: open() };
window.geokit.ready.catch((error) => fail(error.message));
