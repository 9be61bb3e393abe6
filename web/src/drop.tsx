// Where a file is dropped or chosen.

import { useEffect, useState } from "preact/hooks";

export function DropZone({ open, small, said }: { open: (file: Blob, name: string) => void; small: boolean; said: string }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const stop = (event: DragEvent) => { event.preventDefault(); setOver(event.type === "dragover"); };
    const drop = (event: DragEvent) => {
      stop(event);
      const file = event.dataTransfer?.files[0];
      if (file) open(file, file.name);
    };
    const paste = (event: ClipboardEvent) => {
      const text = event.clipboardData?.getData("text") ?? "";
      if (text.trimStart().startsWith("{")) open(new Blob([text]), "pasted.json");
    };
    addEventListener("dragover", stop);
    addEventListener("dragleave", stop);
    addEventListener("drop", drop);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("dragover", stop);
      removeEventListener("dragleave", stop);
      removeEventListener("drop", drop);
      removeEventListener("paste", paste);
    };
  });
  return (
    <label class={`drop ${small ? "small" : ""} ${over ? "over" : ""}`}>
      <span>{small ? "another file …" : "Drop a model here: ONNX, .pt2, config.json, FX JSON. Or choose one, or paste a configuration."}</span>
      {small && said && <span class="quiet read">{said}</span>}
      {!small && <span class="quiet">Nothing leaves this page; weights are not read.</span>}
      <input type="file" onChange={(event) => {
        const file = event.currentTarget.files?.[0];
        if (file) open(file, file.name);
      }} />
    </label>
  );
}
