/** How a mount of a Dataset that a team made for itself is read. */
export interface ExistingMount {
  /** The Runtime's properties, the Dataset's shared options, and its own, each over those before. */
  options: { [name: string]: string }
  /** What Secrets fill: option, Secret, key. */
  secrets: [option: string, secretName: string, key: string][]
}
