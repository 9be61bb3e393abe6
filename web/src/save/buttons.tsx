// Buttons that save the view that is shown, as SVG or PNG.

import { useEffect, useState } from "preact/hooks";
import { chart, page } from "./clone";

/** What a view that draws on a canvas gives: its picture as SVG. */
type Vector = () => string;
let vector: Vector | null = null;

/** Tells the buttons how the view that is shown draws itself as SVG. */
export function useVector(draw: Vector) {
  useEffect(() => {
    vector = draw;
    return () => { if (vector === draw) vector = null; };
  });
}

/** Pixels for each of the picture, and most of a side: browsers draw no larger canvas. */
const DENSITY = 2, LARGEST = 8192;

function svg(): string {
  if (vector) return vector();
  const main = document.querySelector("main")!;
  const shown = main.querySelector<SVGSVGElement>(":scope > svg.chart");
  return shown ? chart(shown) : page(main);
}

async function png(picture: string): Promise<Blob> {
  const image = new Image();
  // An address that holds the picture: one that names a blob would make the canvas unreadable.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
  await image.decode();
  const density = Math.min(DENSITY, LARGEST / Math.max(image.width, image.height, 1));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * density));
  canvas.height = Math.max(1, Math.round(image.height * density));
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the picture is too large"))), "image/png"));
}

export function download(content: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function SaveButtons({ name }: { name: string }) {
  const [problem, setProblem] = useState("");
  const save = async (kind: "svg" | "png") => {
    try {
      const picture = svg();
      setProblem("");
      download(kind === "svg" ? new Blob([picture], { type: "image/svg+xml" }) : await png(picture), `${name}.${kind}`);
    } catch (failure) {
      setProblem(`not saved: ${failure}`);
    }
  };
  return (
    <span class="save">
      <span role="status">{problem}</span>
      <button onClick={() => save("svg")} aria-label="save this view as SVG">SVG</button>
      <button onClick={() => save("png")} aria-label="save this view as PNG">PNG</button>
    </span>
  );
}
