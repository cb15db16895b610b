import { printable } from '../values/text.ts'

/** A column: its heading, and the cell of a row, which may hold foreign text. */
export type Column<Row> = readonly [heading: string, cell: (row: Row) => string]

/** The lines of a table: a heading, and a line for each row, with two spaces between the columns. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const texts = [
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, cell]) => printable(cell(row)))),
  ]
  const widths = columns.map((_, column) => Math.max(...texts.map((cells) => cells[column]?.length ?? 0)))
  return texts.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

export function cutLine(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(columns - 1, 0))}…`
}
