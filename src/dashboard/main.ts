import { h, render } from "htm/preact";
import { PairPage } from "./pairing/pair-page.ts";
import { followAddress } from "./route.ts";
import { App } from "./shell/app.ts";

followAddress();
const place = document.getElementById("app");
if (place) render(h(location.pathname.endsWith("/pair") ? PairPage : App, {}), place);
