/**
 * What CHANGELOG.md says about a version; before it has a heading of its own, the unreleased changes.
 * @throws Error if there is neither
 */
export function notesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1)
  const section = (title: string) => sections.find((text) => text.split('\n', 1)[0]?.split(' ')[0] === title)
  const found = section(version) ?? section('Unreleased')
  if (found === undefined) throw new Error(`CHANGELOG.md has no section ${version}, and none Unreleased`)
  return found.slice(found.indexOf('\n')).trim()
}
