// What is drawn into before it is shown: frames with colours and depth.

// With a texture of this format, or with `samples` a pixel; depth: a buffer that several share.
export function target(gl, { width, height, format, samples = 0, depth = null }) {
  const frame = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  const texture = samples ? null : picture(gl, format, width, height);
  const buffer = samples ? storage(gl, format, width, height, samples) : null;
  depth ??= storage(gl, gl.DEPTH_COMPONENT24, width, height, samples);
  if (texture) gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  else gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, buffer);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
  return { frame, texture, buffer, depth };
}

export function free(gl, made) {
  if (!made) return;
  gl.deleteFramebuffer(made.frame);
  gl.deleteTexture(made.texture);
  gl.deleteRenderbuffer(made.buffer);
  gl.deleteRenderbuffer(made.depth);
}

function picture(gl, format, width, height) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  return texture;
}

function storage(gl, format, width, height, samples) {
  const buffer = gl.createRenderbuffer();
  gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
  gl.renderbufferStorageMultisample(gl.RENDERBUFFER, samples, format, width, height);
  return buffer;
}
