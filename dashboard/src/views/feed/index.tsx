import { Heading } from "../../ui/parts.tsx";

export function FeedView() {
  return <Heading title="Feed" />;
}
