// The reading page's first few kilobytes: they ask for what the address names while the rest of the
// page is still on its way.

import { begin } from "../net/opening";
import { webGl } from "../render/webgl";

const query = new URLSearchParams(location.search);
const wanted = query.get("series");
for (const study of query.getAll("study")) begin(study, wanted);
// The page needs to know soon, and now there is nothing to do but wait.
setTimeout(webGl);
