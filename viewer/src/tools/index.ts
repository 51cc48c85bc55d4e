import { angleTool } from "./angle";
import { bidirectionalTool } from "./bidirectional";
import { cobbTool } from "./cobb";
import { freehandTool, polygonTool } from "./contour";
import { ellipseTool } from "./ellipse";
import { lengthTool } from "./length";
import { arrowTool, textTool } from "./note";
import { probeTool } from "./probe";
import { rectangleTool } from "./rectangle";
import type { Tool, ToolName } from "./tool";

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
