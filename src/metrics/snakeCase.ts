/** How the words of rxfleet are written as values of labels. */

/** `notServing` as `not_serving`. */
export function snakeCase(word: string): string {
  return word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
