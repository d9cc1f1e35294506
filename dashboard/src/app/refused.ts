/** Who hears of a refusal whatever was asked: the session, when it turns out to be over. */

import type { ApiError } from "../api/http.ts";

let listener: (error: ApiError) => void = () => undefined;

export function onRefusal(tell: (error: ApiError) => void): void {
  listener = tell;
}

export function refused(error: ApiError): void {
  listener(error);
}
