// What is looked for in a page: texts that are wider than their place, lie outside the window, or over each other.

const SHORT = 60;
const wordsOf = (element) => element.textContent.trim().slice(0, SHORT);
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

function cutTexts() {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide, of ${root.clientWidth}`);
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText || !isSeen(element) || element.closest("[aria-hidden=true], svg")) continue;
    if (isCut(element)) faults.push(`cut (${element.scrollWidth} of ${element.clientWidth}): ${wordsOf(element)}`);
    const { left, right } = element.getBoundingClientRect();
    if ((right > root.clientWidth + 1 || left < -1) && !liesInScroller(element))
      faults.push(`outside (${Math.round(left)} to ${Math.round(right)}): ${wordsOf(element)}`);
  }
  return faults;
}

function isCut(element) {
  const style = getComputedStyle(element);
  // Where it is meant to be shortened, the whole text must be had otherwise.
  const isShortened = style.textOverflow === "ellipsis" && element.closest("[title]");
  const hasBox = style.display !== "inline" && element.clientWidth > 1;
  return hasBox && !isShortened && !scrolls(element) && element.scrollWidth > element.clientWidth + 1;
}

function liesInScroller(element) {
  for (let within = element.parentElement; within; within = within.parentElement) if (scrolls(within)) return true;
  return false;
}

function overlappingTexts() {
  const texts = [...boxesOfTexts(document.querySelector("main") ?? document.body)];
  const faults = [];
  for (const [place, [one, a]] of texts.entries())
    for (const [other, b] of texts.slice(place + 1)) {
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (width > 3 && height > 5)
        faults.push(`"${one}" and "${other}" overlap by ${Math.round(width)} × ${Math.round(height)}`);
    }
  return faults.slice(0, 10);
}

function* boxesOfTexts(main) {
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    // A chart and an editor lay out their texts themselves.
    if (!node.data.trim() || !isSeen(element) || element.closest("[aria-hidden=true], svg, .uplot, .cm-editor")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      if (box.width > 1 && box.height > 1 && isOnTop(element, box)) yield [node.data.trim().slice(0, SHORT), box];
  }
}

// A text below the edge of what it scrolls in, or under a menu, is not seen there.
function isOnTop(element, box) {
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return true;
  const found = document.elementFromPoint(x, y);
  return found !== null && (element.contains(found) || found.contains(element));
}
