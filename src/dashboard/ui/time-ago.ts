import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { html } from "htm/preact";
import { currentMs, formatDuration, formatTime } from "./time.ts";

/** Shows how long ago a time was, or how far away it is. The title is the time itself. */
export const TimeAgo = ({ time }: { time: Timestamp | undefined }) => {
  if (time === undefined) return html``;
  const ms = timestampMs(time);
  const agoMs = currentMs.value - ms;
  const words = agoMs < -999 ? `in ${formatDuration(-agoMs)}` : `${formatDuration(agoMs)} ago`;
  return html`<time datetime=${new Date(ms).toISOString()} title=${formatTime(ms)}>${words}</time>`;
};
