// The little of WebGL2 that every renderer here needs: programs, uniforms, one triangle.

export class Program {
  private readonly locations = new Map<string, WebGLUniformLocation | null>();

  constructor(
    readonly gl: WebGL2RenderingContext,
    private readonly program: WebGLProgram,
  ) {}

  use(): void {
    this.gl.useProgram(this.program);
  }

  at(name: string): WebGLUniformLocation | null {
    let location = this.locations.get(name);
    if (location === undefined) {
      location = this.gl.getUniformLocation(this.program, name);
      this.locations.set(name, location);
    }
    return location;
  }
}

/** Covers the viewport with one triangle; no buffers needed. */
const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(float(gl_VertexID % 2) * 4.0 - 1.0, float(gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0);
}`;

export function link(gl: WebGL2RenderingContext, fragment: string): Program {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
      throw new Error(gl.getShaderInfoLog(shader) ?? "shader does not compile");
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(gl.getProgramInfoLog(program) ?? "shader does not link");
  return new Program(gl, program);
}

/** How values of each array type live in a texture, and the GLSL sampler that reads them. */
export interface TexelFormat {
  readonly internal: number;
  readonly format: number;
  readonly type: number;
  readonly sampler: "isampler" | "usampler" | "sampler";
}

export function texelFormat(gl: WebGL2RenderingContext, values: ArrayBufferView): TexelFormat {
  if (values instanceof Uint8Array)
    return { internal: gl.R8UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_BYTE, sampler: "usampler" };
  if (values instanceof Int8Array)
    return { internal: gl.R8I, format: gl.RED_INTEGER, type: gl.BYTE, sampler: "isampler" };
  if (values instanceof Uint16Array)
    return { internal: gl.R16UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_SHORT, sampler: "usampler" };
  if (values instanceof Int16Array)
    return { internal: gl.R16I, format: gl.RED_INTEGER, type: gl.SHORT, sampler: "isampler" };
  if (values instanceof Uint32Array)
    return { internal: gl.R32UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_INT, sampler: "usampler" };
  if (values instanceof Int32Array)
    return { internal: gl.R32I, format: gl.RED_INTEGER, type: gl.INT, sampler: "isampler" };
  return { internal: gl.R32F, format: gl.RED, type: gl.FLOAT, sampler: "sampler" };
}

export function newTexture(gl: WebGL2RenderingContext, target: number): WebGLTexture {
  const texture = gl.createTexture();
  gl.bindTexture(target, texture);
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
    [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_R, gl.CLAMP_TO_EDGE],
  ] as const)
    gl.texParameteri(target, name, value);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  return texture;
}
