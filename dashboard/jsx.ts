/** What JSX becomes calls of; the build puts it where it is needed. */
export { Fragment, h } from "preact";
