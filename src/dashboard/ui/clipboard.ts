/** Copies a text. Pages over plain HTTP from another machine have no clipboard API, but an older command. Rejects if neither works. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    // A person can forbid it; the older command may still work.
    const isCopied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    if (isCopied) return;
  }
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isCopied) throw new Error("The browser does not allow copying.");
}
