// What runs before anything else of the reading page: it takes what the head of the page has asked for,
// and has the first image decoded while the rest is evaluated.

import { begin } from "../net/opening";
import { webGl } from "../render/webgl";

const query = new URLSearchParams(location.search);
const wanted = query.get("series");
for (const study of query.getAll("study")) begin(study, wanted);
// The page needs to know soon, and now there is nothing to do but wait.
setTimeout(webGl);
