/** The options and Secrets of a mount of a Dataset that a team created. */
export interface ExistingMount {
  /** Merged in this order: the Runtime's properties, the Dataset's shared options, the mount's options. */
  options: { [name: string]: string }
  /** Options that get their values from Secrets. */
  secrets: [option: string, secretName: string, key: string][]
}
