"""The still life itself: parametric surfaces with textures, arranged on a table in a round room.

Lengths are in table radii (about), z is up and the table top is z = 0.
"""

import mitsuba as mi
import numpy as np
import textures as tx


def surface(name, point, uv, bsdf, nu=64, nv=64, v_range=(0, 1)):
    """The mesh of point(u, v) -> (x, y, z) with texture coordinates uv(u, v), in tiles; both take arrays.

    Normals come from differences of the same formula, so seams do not show.
    """
    v, u = np.meshgrid(np.linspace(*v_range, nv), np.linspace(0, 1, nu), indexing="ij")

    def at(u, v):
        return np.stack(np.broadcast_arrays(*point(u, v), u)[:3], -1)

    e = 1e-4
    normals = np.cross(at(u + e, v) - at(u - e, v), at(u, v + e) - at(u, v - e))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    i = (np.arange(nv - 1)[:, None] * nu + np.arange(nu - 1)).ravel()
    faces = np.concatenate([np.stack([i, i + 1, i + nu + 1], -1), np.stack([i, i + nu + 1, i + nu], -1)])
    props = mi.Properties()
    props["mesh_bsdf"] = bsdf
    mesh = mi.Mesh(name, nu * nv, len(faces), props=props, has_vertex_normals=True, has_vertex_texcoords=True)
    params = mi.traverse(mesh)
    params["vertex_positions"] = at(u, v).astype(np.float32).ravel()
    params["vertex_normals"] = normals.astype(np.float32).ravel()
    params["vertex_texcoords"] = np.stack(np.broadcast_arrays(*uv(u, v), u)[:2], -1).astype(np.float32).ravel()
    params["faces"] = faces.astype(np.uint32).ravel()
    params.update()
    return mesh


def place(x, y, z=0.0, turn=0.0, tilt=0.0):
    """Turns a formula's points by tilt about x, then by turn about z (degrees), and moves them."""
    c, s, ct, st = *(f(np.radians(turn)) for f in (np.cos, np.sin)), *(f(np.radians(tilt)) for f in (np.cos, np.sin))

    def move(px, py, pz):
        py, pz = ct * py - st * pz, st * py + ct * pz
        return x + c * px - s * py, y + s * px + c * py, z + pz

    return move


def lathe(name, profile, where, bsdf, tiles=(1, 1), weave=None, nu=96, nv=96):
    """A body of revolution: profile is a list of (radius, height) that a smooth curve passes through.

    weave = (count around, count along, depth) presses a basket's relief into the wall.
    """
    r, z = np.array(profile, float).T
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
    length /= length[-1]
    slope = [np.gradient(a, length) for a in (r, z)]

    def curve(a, m, t):  # cubic Hermite
        i = np.clip(np.searchsorted(length, t) - 1, 0, len(length) - 2)
        h = length[i + 1] - length[i]
        s = (t - length[i]) / h
        return ((1 + 2 * s) * (1 - s) ** 2 * a[i] + s * (1 - s) ** 2 * h * m[i]
                + s**2 * (3 - 2 * s) * a[i + 1] + s**2 * (s - 1) * h * m[i + 1])

    def point(u, v):
        radius, angle = curve(r, slope[0], v), 2 * np.pi * u
        if weave:
            around, along, depth = weave
            radius = radius + depth * np.sin(2 * np.pi * around * u) * np.sin(2 * np.pi * along * v)
        return where(radius * np.cos(angle), radius * np.sin(angle), curve(z, slope[1], v))

    return surface(name, point, lambda u, v: (tiles[0] * u, tiles[1] * v), bsdf, nu, nv)


def ball(name, radius, where, bsdf, stretch=1.0, tiles=(1, 1)):
    def point(u, v):
        a, b = 2 * np.pi * u, np.pi * (v - 0.5)
        return where(stretch * radius * np.sin(b), radius * np.cos(b) * np.cos(a), radius * np.cos(b) * np.sin(a))

    return surface(name, point, lambda u, v: (tiles[0] * u, tiles[1] * v), bsdf, v_range=(0.002, 0.998))


def box(name, size, where, bsdf_top, bsdf_side, tile=None):
    """A block standing on z = 0. With a tile size its texture repeats; without one the top carries a single tile
    and the sides one over their height.
    """
    sx, sy, sz = size
    top = (sx, sy) if tile is None else (tile, tile)
    side = tile or sz

    def wall(ax, ay, bx, by):
        def point(u, v):
            return where(ax + (bx - ax) * u, ay + (by - ay) * u, sz * v)
        return point

    x, y = sx / 2, sy / 2
    corners = [(-x, -y), (x, -y), (x, y), (-x, y)]
    faces = {f"{name}_top": surface(f"{name}_top", lambda u, v: where(sx * (u - 0.5), sy * (v - 0.5), sz + 0 * u),
                                    lambda u, v: (u * sx / top[0], v * sy / top[1]), bsdf_top, 2, 2)}
    for i in range(4):
        a, b = corners[i], corners[(i + 1) % 4]
        width = np.hypot(b[0] - a[0], b[1] - a[1])
        faces[f"{name}_side{i}"] = surface(f"{name}_side{i}", wall(*a, *b),
                                           lambda u, v, w=width: (u * w / side, v * sz / side), bsdf_side, 2, 2)
    return faces


def brick_wall(where, bsdfs, mortar, smooth, seed=8):
    """Seven courses of separate bricks with a toothed end; the smooth control has one plain block instead."""
    length, height, depth, joint = 0.215, 0.072, 0.20, 0.014
    courses, across = 7, 4
    full = (across * length, depth, courses * height)
    if smooth:
        return box("bricks", full, where, bsdfs[0], bsdfs[0], tile=0.6)
    rng = np.random.default_rng(seed)
    inner = (full[0] - 0.16, depth - 0.012, full[2] - 0.03)
    parts = box("mortar", inner, where, mortar, mortar, tile=0.5)
    for row in range(courses):
        for k in range(across):
            x = (k - (across - 1) / 2 + (0.25 if row % 2 else -0.25)) * length + rng.normal(0, 0.002)
            dy, turn = rng.normal(0, 0.003), np.radians(rng.normal(0, 0.8))

            def put(px, py, pz, x=x, dy=dy, turn=turn, z=row * height):
                return where(x + px - turn * py, dy + py + turn * px, z + pz)

            parts |= box(f"brick_{row}_{k}", (length - joint, depth, height - joint), put,
                         *[bsdfs[rng.integers(len(bsdfs))]] * 2, tile=0.6)
    return parts


def build(smooth=False):
    """The whole scene as a dictionary for mitsuba.load_dict."""

    def material(picture, period, gloss=None):
        """A material; the smooth control blurs away all periods up to this fraction of the texture's tile."""
        if smooth:
            picture = tx.low_pass(picture, 1.5 * np.asarray(period))
        bitmap = {"type": "bitmap", "bitmap": mi.Bitmap(tx.linear(picture).astype(np.float32)), "raw": True}
        if gloss is None:
            bsdf = {"type": "diffuse", "reflectance": bitmap}
        else:
            bsdf = {"type": "roughplastic", "diffuse_reflectance": bitmap, "alpha": gloss, "nonlinear": True}
        return mi.load_dict({"type": "twosided", "bsdf": bsdf})

    walnut = material(tx.wood([0.27, 0.15, 0.08], [0.66, 0.43, 0.25], 5, 34, 1), 0.1)
    oak = material(tx.wood([0.30, 0.25, 0.20], [0.55, 0.46, 0.37], 8, 40, 20), 0.1)
    cloth = material(tx.tartan(), 0.25)
    paper_edges = material(tx.stripes([0.96, 0.93, 0.85], [0.70, 0.64, 0.54], 4), 0.25)
    bricks = [material(tx.plain(c, 0.012, 0.07, s), 0.1)
              for s, c in enumerate([[0.80, 0.50, 0.39], [0.74, 0.43, 0.33], [0.86, 0.58, 0.46], [0.70, 0.42, 0.35]])]
    mortar = material(tx.plain([0.78, 0.74, 0.68], 0.01, 0.06, 40), 0.1)
    orange = material(tx.plain([0.98, 0.63, 0.17], 0.02, 0.02, 31), 0.1, 0.25)
    lemon = material(tx.plain([0.98, 0.88, 0.36], 0.02, 0.02, 32), 0.1, 0.25)
    pear = material(tx.plain([0.66, 0.72, 0.25], 0.05, 0.06, 33), 0.1)
    celadon = material(tx.plain([0.52, 0.72, 0.66], 0.08, 0.03, 34), 0.1, 0.15)
    vase = material(tx.glaze([0.95, 0.92, 0.84], [0.10, 0.38, 0.44], [0.80, 0.38, 0.20]), 0.1)

    def flat(u, v):  # the table top's texture, by position
        return np.cos(2 * np.pi * u) * v, np.sin(2 * np.pi * u) * v

    def runner(u, v):
        """A cloth with soft ripples; what reaches over the table's rim bends down there."""
        x, y = 3.8 * (u - 0.5), 1.5 * (v - 0.5)
        x, y = 0.906 * x - 0.423 * y, 0.423 * x + 0.906 * y
        r = np.hypot(x, y)
        over = np.maximum(r - 1.5, 0)
        out = 0.05 * (1 - np.exp(-over / 0.05))
        ripple = 0.008 * (np.sin(5 * x + 2 * y) + np.sin(3 * y - 4 * x + 1)) * np.clip((1.5 - r) * 4, 0, 1)
        fold = 0.03 * np.sin(9 * (v - 0.5) * 2.2) * np.clip(over * 4, 0, 1)
        k = np.where(r > 1.5, (1.5 + out + fold) / np.maximum(r, 1e-9), 1)
        return x * k, y * k, 0.022 + ripple - (over - out)

    def leaf(w, h, where, lift):
        def point(u, v):
            curl = lift * (u**4 + 0.6 * (1 - v) ** 6) + 0.01 * np.sin(3 * u)
            return where(w * (u - 0.5), h * (v - 0.5), 0.012 + curl)
        return point

    book = place(-0.42, -0.62, 0.02, 24)
    book2 = place(-0.38, -0.60, 0.165, -8)
    cover2 = material(tx.stripes([0.20, 0.42, 0.36], [0.90, 0.85, 0.68], 10), 0.1)
    cover = material(tx.poster([0.96, 0.86, 0.62], [0.14, 0.20, 0.32], [0.82, 0.25, 0.15]), 0.1)

    basket = [(0.02, 0.01), (0.22, 0.01), (0.30, 0.08), (0.36, 0.20), (0.38, 0.30), (0.37, 0.31), (0.345, 0.27),
              (0.30, 0.12), (0.24, 0.06), (0.02, 0.05)]
    bowl = [(0.02, 0.03), (0.12, 0.02), (0.13, 0.05), (0.24, 0.14), (0.30, 0.25), (0.29, 0.258), (0.275, 0.24),
            (0.20, 0.12), (0.10, 0.07), (0.01, 0.06)]
    amphora = [(0.01, 0.02), (0.16, 0.02), (0.20, 0.12), (0.29, 0.38), (0.30, 0.58), (0.22, 0.76), (0.12, 0.88),
               (0.11, 0.96), (0.16, 1.04), (0.15, 1.045), (0.10, 0.97), (0.08, 0.90)]
    pear_shape = [(0.004, 0.0), (0.07, 0.005), (0.125, 0.08), (0.11, 0.17), (0.065, 0.25), (0.045, 0.31),
                  (0.004, 0.335)]
    rim = [(1.5, 0.0), (1.53, -0.03), (1.53, -0.06), (1.48, -0.10), (0.3, -0.12)]
    leg = [(0.10, -0.1), (0.09, -0.6), (0.16, -1.0), (0.50, -1.55), (0.55, -1.6)]

    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 5},
        "floor": surface("floor", lambda u, v: (*(6.5 * a for a in flat(u, v)), -1.6),
                         lambda u, v: (2.6 * flat(u, v)[0], 2.6 * flat(u, v)[1]), oak, 65, 3),
        "wall": surface("wall", lambda u, v: (6.5 * np.cos(2 * np.pi * u), 6.5 * np.sin(2 * np.pi * u), -1.6 + 7.6 * v),
                        lambda u, v: (20 * u, 3.8 * v),
                        material(tx.wallpaper([0.68, 0.74, 0.72], [0.88, 0.86, 0.78], 10), 0.1), 129, 3),
        "ceiling": surface("ceiling", lambda u, v: (*(6.5 * a for a in flat(u, v)), 6.0),
                           flat, material(tx.plain([0.9, 0.9, 0.88]), 0.1), 65, 3),
        "table": surface("table", lambda u, v: (*(1.5 * a for a in flat(u, v)), 0.0),
                         lambda u, v: (0.9 * flat(u, v)[0], 0.9 * flat(u, v)[1]), walnut, 129, 3),
        "rim": lathe("rim", rim, place(0, 0), walnut, (6, 0.1)),
        "leg": lathe("leg", leg, place(0, 0), walnut, (1, 1)),
        "runner": surface("runner", runner, lambda u, v: (2.8 * u, 1.1 * v), cloth, 400, 160),
        "vase": lathe("vase", amphora, place(0.02, 0.30, 0.0, 40), vase),
        "basket": lathe("basket", basket, place(0.70, -0.28, 0.02), material(tx.straw(), 0.125), (4, 2),
                        None if smooth else (32, 16, 0.008), 600, 400),
        "bowl": lathe("bowl", bowl, place(0.66, 0.72, 0.0), celadon),
        "page": surface("page", leaf(0.72, 0.72, place(-0.98, -0.28, 0.01, 62), 0.10), lambda u, v: (u, v),
                        material(tx.text([0.10, 0.10, 0.13]), 0.06)),
        "ball": ball("ball", 0.17, place(0.16, -0.84, 0.185, 30, 20),
                     material(tx.checks([0.93, 0.90, 0.82], [0.70, 0.18, 0.16], 8, 4), 0.25, 0.2), tiles=(1, 1)),
        "pear1": lathe("pear1", pear_shape, place(-0.30, -0.02, 0.02), pear),
        "pear2": lathe("pear2", pear_shape, place(-0.02, -0.22, 0.11, 200, 82), pear),
    }
    for i, (x, y, z) in enumerate([(0.58, -0.20, 0.22), (0.80, -0.16, 0.22), (0.60, -0.42, 0.22), (0.82, -0.40, 0.22),
                                   (0.70, -0.29, 0.38)]):
        scene[f"orange{i}"] = ball(f"orange{i}", 0.13, place(x, y, z, 50 * i, 30), orange)
    for i, (x, y, z, turn) in enumerate([(0.60, 0.70, 0.18, 20), (0.74, 0.78, 0.20, 120), (0.30, 0.98, 0.105, 70)]):
        scene[f"lemon{i}"] = ball(f"lemon{i}", 0.10, place(x, y, z, turn, 10), lemon, stretch=1.35)
    scene |= box("book", (0.74, 0.54, 0.13), book, cover2, paper_edges)
    scene |= box("book2", (0.62, 0.46, 0.10), book2, cover, paper_edges)
    scene |= brick_wall(place(-0.62, 0.62, 0.0, 38), bricks, mortar, smooth)

    def lamp(size, origin, target, radiance):
        t = mi.ScalarTransform4f
        frame = t().look_at(origin=origin, target=target, up=[0, 1, 0.01]) @ t().scale([size / 2, size / 2, 1])
        return {"type": "rectangle", "to_world": frame,
                "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}}}

    scene["sky"] = lamp(6.0, [0, 0, 5.9], [0, 0, 0], [1.9, 2.0, 2.1])
    scene["window"] = lamp(2.2, [-3.4, -2.6, 4.4], [0, 0, 0], [17.0, 15.2, 13.0])
    return scene
