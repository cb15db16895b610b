import { parseQuantity } from './quantity.ts'

/** A whole Kubernetes quantity of bytes, as cache quotas are written: `50Gi`, `500G`. */
export const sizePattern = '^[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$'

/** Bytes of a quantity (`50Gi`) or of a size as Fluid prints it (`3.14GiB`); undefined if it is neither. */
export function parseSizeBytes(text: string): number | undefined {
  const [, amount, unit = ''] = /^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$/.exec(text.trim()) ?? []
  const bytes = amount === undefined ? undefined : parseQuantity(`${amount}${unit.replace(/B$/, '')}`)
  return bytes === undefined ? undefined : Math.round(bytes)
}

/** For people: `3.14 GiB`, `141 GiB`, `512 B`. */
export function formatSize(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = Math.min(bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10), names.length - 1)
  const amount = bytes / 2 ** (10 * power)
  return `${Number(amount.toPrecision(3))} ${names[power]}`
}

/** Bytes as a Kubernetes quantity of whole Gi or Mi, rounded up. */
export function quantityOf(bytes: number): string {
  const mebibytes = Math.ceil(bytes / 2 ** 20)
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`
}
