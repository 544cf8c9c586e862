"""The still life's textures: one square, tileable picture each, made from formulas.

Every function returns sRGB colours (N, N, 3) in [0, 1]. Edges are smooth ramps a few texels wide, so that the
renderer's many samples per pixel see a band-limited picture and fine patterns do not alias.
"""

import numpy as np

N = 1024
V, U = np.meshgrid((np.arange(N) + 0.5) / N, (np.arange(N) + 0.5) / N, indexing="ij")


def linear(srgb):
    srgb = np.clip(srgb, 0, 1)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def low_pass(picture, sigma):
    """Gaussian blur with wrap-around; sigma (or one for v and one for u) as a fraction of the tile."""
    sigma_v, sigma_u = np.broadcast_to(sigma, 2)
    f = np.fft.fftfreq(N, 1 / N)
    gain = np.exp(-2 * np.pi**2 * ((sigma_v * f[:, None]) ** 2 + (sigma_u * f[None, :]) ** 2))
    return np.fft.ifft2(np.fft.fft2(picture, axes=(0, 1)) * gain.reshape(N, N, *[1] * (picture.ndim - 2)),
                        axes=(0, 1)).real


def noise(sigma, seed):
    """Tileable smooth noise of zero mean and unit variance; sigma is its grain as a fraction of the tile."""
    field = low_pass(np.random.default_rng(seed).standard_normal((N, N)), sigma)
    return (field - field.mean()) / field.std()


def mix(a, b, t):
    """Colour a where t is 0, b where t is 1."""
    t = np.clip(t, 0, 1)[..., None]
    return np.asarray(a, float) * (1 - t) + np.asarray(b, float) * t


def square_wave(x, softness=0.12):
    """A wave of period 1 between 0 and 1 whose steps are softened."""
    return 0.5 + 0.5 * np.tanh(np.sin(2 * np.pi * x) / (np.pi * softness))


def plain(colour, grain=0.05, contrast=0.03, seed=0):
    """One colour with gentle mottling: glaze, fruit, plaster."""
    return np.asarray(colour, float) * (1 + contrast * noise(grain, seed))[..., None]


def wood(dark, light, planks, rings, seed):
    """Planks along u; inside each the year rings run along the grain and drift slowly."""
    plank = np.floor(V * planks).astype(int)
    shift = np.random.default_rng(seed).uniform(0, 1, (planks, 3))[plank]
    drift = noise((0.02, 0.12), seed + 1) * 0.9 + noise((0.006, 0.06), seed + 2) * 0.12
    offset = (shift[..., 0] * N).astype(int)
    drift = drift[np.arange(N)[:, None], (np.arange(N)[None, :] + offset) % N]
    ring = (0.5 + 0.5 * np.sin(2 * np.pi * (V * rings + drift + shift[..., 1]))) ** 1.6
    fibre = noise((0.0012, 0.03), seed + 3)
    colour = mix(light, dark, 0.15 + 0.6 * ring + 0.07 * fibre + 0.25 * (shift[..., 2] - 0.5))
    edge = np.abs((V * planks + 0.5) % 1 - 0.5) / planks
    return colour * (0.45 + 0.55 * np.clip(edge / 0.004, 0, 1))[..., None]


def weave(warp, weft, threads):
    """Plain weave: warp (N, 3 colours along u) and weft (along v) threads pass over each other in turn."""
    a, b = np.sin(np.pi * threads * U), np.sin(np.pi * threads * V)
    over = 0.5 + 0.5 * np.tanh(6 * a * b)
    relief = (0.45 + 0.55 * np.abs(a)) * over + (0.45 + 0.55 * np.abs(b)) * (1 - over)
    return mix(weft, warp, over) * relief[..., None]


def tartan(threads=48):
    """A woven check in cream and indigo with a red line."""
    cream, indigo, red = np.array([[0.97, 0.93, 0.84], [0.24, 0.33, 0.58], [0.84, 0.28, 0.20]])

    def stripes(x):
        colour = mix(cream, indigo, square_wave(2 * x + 0.25, 0.02))
        return mix(colour, red, square_wave(x, 0.02) * (np.abs((2 * x) % 1 - 0.5) < 1.5 / threads))

    def by_thread(x):
        return (np.floor(x * threads) + 0.5) / threads

    return weave(stripes(by_thread(U)), stripes(by_thread(V)), threads)


def straw(threads=16):
    tone = 1 + 0.10 * np.random.default_rng(5).standard_normal(threads)[(U * threads).astype(int)]
    light, dark = np.array([0.93, 0.76, 0.47]), np.array([0.74, 0.52, 0.27])
    return np.clip(weave(light * tone[..., None], dark * tone.T[..., None], threads), 0, 1)


def dots(shade, count):
    """Halftone: a 45 degree screen of dots whose area follows shade."""
    screen = 0.5 + 0.25 * (np.cos(2 * np.pi * count * (U + V)) + np.cos(2 * np.pi * count * (U - V)))
    return 0.5 + 0.5 * np.tanh(5 * (shade + screen - 1))


def poster(paper, ink, accent):
    """A book cover: a halftone sun over striped hills inside a border."""
    sun = np.clip(1.15 - 3.2 * np.hypot(U - 0.5, (V - 0.58) * 0.75), 0, 1)
    cover = mix(paper, accent, dots(0.12 + 0.9 * sun, 22))
    hill = 0.30 + 0.06 * np.sin(2 * np.pi * (U * 1.5 + 0.1))
    cover = mix(cover, mix(ink, paper, square_wave((V - hill) * 26, 0.2)), (hill - V) * 120)
    border = np.minimum(np.minimum(U, 1 - U), np.minimum(V, 1 - V))
    return mix(ink, cover, (border - 0.045) * 200)


def text(ink, lines=18, seed=3):
    """Two columns of set type beside a halftone picture: words of random length, letters as a fine beat."""
    rng = np.random.default_rng(seed)
    row = np.floor(V * lines).astype(int)
    letters = 44
    spaces = rng.random((lines, letters)) < 0.18
    glyphs = np.where(spaces, 0, rng.uniform(0.55, 1.0, (lines, letters)))
    glyph = glyphs[row, (U * letters).astype(int)]
    stroke = (0.5 - 0.5 * np.cos(2 * np.pi * U * letters)) * 0.6 + 0.4
    body = np.clip(1.6 * np.sin(np.pi * (V * lines % 1)) ** 2 - 0.7, 0, 1)
    page = glyph * body * stroke
    gutter = (np.abs(U - 0.5) < 0.025) | (np.minimum(U, 1 - U) < 0.06) | (np.minimum(V, 1 - V) < 0.06)
    page = np.where(gutter, 0, page)
    picture = (U > 0.56) & (U < 0.92) & (V > 0.52) & (V < 0.92)
    ball = np.clip(1 - 5 * np.hypot(U - 0.72, V - 0.74), 0, 1)
    page = np.where(picture, dots(0.15 + 0.75 * ball, 24), page)
    return mix([0.90, 0.87, 0.80], ink, page)


def glaze(base, band, accent):
    """The vase: fine rings, a row of chevrons, a belt of checks; u runs round, v upwards."""
    colour = mix(base, band, square_wave(V * 30, 0.25) * ((V > 0.08) & (V < 0.36)))
    zigzag = np.abs((U * 12) % 1 - 0.5) * 0.16
    colour = mix(colour, accent, square_wave((V + zigzag) * 20, 0.2) * ((V > 0.42) & (V < 0.62)))
    checks = 0.5 + 0.5 * np.tanh(6 * np.sin(2 * np.pi * U * 18) * np.sin(2 * np.pi * V * 24))
    return mix(colour, mix(base, band, checks), 200 * (0.09 - np.abs(V - 0.76)) * (np.abs(V - 0.76) < 0.09))


def checks(a, b, around, along):
    return mix(a, b, 0.5 + 0.5 * np.tanh(6 * np.sin(2 * np.pi * U * around) * np.sin(2 * np.pi * V * along)))


def stripes(a, b, count, softness=0.3):
    """Stripes that run along u."""
    return mix(a, b, square_wave(V * count, softness))


def wallpaper(base, line, count):
    """Quiet pinstripes with a sprig between them."""
    sprig = dots(0.22 + 0.16 * np.sin(2 * np.pi * count * U) ** 2, count // 2)
    return mix(base, line, 0.30 * square_wave(U * count, 0.3) + 0.45 * sprig + 0.04 * noise(0.03, 9))
