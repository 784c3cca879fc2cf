// A code span of Markdown as Doxygen has to see it: with two ticks where it would end one at an apostrophe, and as the
// element where a percent sign would be Doxygen's own.
export function for_doxygen(code) {
  if (code.includes("%")) return `<code>${code.replace(/[%<>&@\\]/g, "\\$&")}</code>`;
  return code.includes("'") ? `\`\` ${code} \`\`` : `\`${code}\``;
}
