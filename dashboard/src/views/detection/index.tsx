import { Heading } from "../../ui/parts.tsx";

export function DetectionView() {
  return <Heading title="Detection" />;
}
