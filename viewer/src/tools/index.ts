import type { Annotation } from "./annotation";
import { angleTool } from "./angle";
import { bidirectionalTool } from "./bidirectional";
import { cobbTool } from "./cobb";
import { freehandTool, polygonTool } from "./contour";
import { ellipseTool } from "./ellipse";
import { lengthTool } from "./length";
import { arrowTool, textTool } from "./note";
import { probeTool } from "./probe";
import { rectangleTool } from "./rectangle";
import type { Surface } from "./surface";
import type { Result, Tool, ToolName } from "./tool";

export const TOOLS: Readonly<Record<ToolName, Tool>> = {
  length: lengthTool,
  bidirectional: bidirectionalTool,
  angle: angleTool,
  cobb: cobbTool,
  rectangle: rectangleTool,
  ellipse: ellipseTool,
  freehand: freehandTool,
  polygon: polygonTool,
  probe: probeTool,
  arrow: arrowTool,
  text: textTool,
};

/**
 * What a measurement says at `points` of a surface; what it said when it was stored, where the
 * pixels that a quantity rests on are not here.
 */
export function resultsOf({ tool, points, recorded = [] }: Annotation, surface: Surface | undefined, at = points): readonly Result[] {
  const found = surface ? TOOLS[tool].results(at, surface) : [];
  return [...found, ...recorded.filter((old) => !found.some((now) => now.quantity === old.quantity))];
}
