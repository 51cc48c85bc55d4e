// GLSL shared by the 2-D and the reslice renderer: modality value -> VOI -> inversion -> colour map.
// The same formulas as pixels/voi.ts, which the tests hold it to.

export const GREY = `
uniform vec2 u_rescale;      // slope, intercept
uniform int u_shape;         // 0 LINEAR, 1 LINEAR_EXACT, 2 SIGMOID, 3 table
uniform vec2 u_window;       // center, width
uniform float u_lut_first;
uniform float u_lut_scale;   // 1 / greatest entry
uniform int u_lut_count;
uniform highp usampler2D u_lut;   // 256 entries a row
uniform bool u_inverse;
uniform sampler2D u_colormap;
uniform bool u_colored;

float level(float value) {
  float center = u_window.x, width = u_window.y;
  if (u_shape == 0)
    return width <= 1.0 ? (value <= center - 0.5 ? 0.0 : 1.0)
                        : clamp((value - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0);
  if (u_shape == 1) return clamp((value - center) / width + 0.5, 0.0, 1.0);
  if (u_shape == 2) return 1.0 / (1.0 + exp(-4.0 * (value - center) / width));
  int index = clamp(int(floor(value - u_lut_first + 0.5)), 0, u_lut_count - 1);
  return float(texelFetch(u_lut, ivec2(index & 255, index >> 8), 0).r) * u_lut_scale;
}

vec4 shade(float modality_value) {
  float g = level(modality_value);
  if (u_inverse) g = 1.0 - g;
  if (u_colored) return texelFetch(u_colormap, ivec2(int(floor(g * 255.0 + 0.5)), 0), 0);
  return vec4(g, g, g, 1.0);
}
`;
