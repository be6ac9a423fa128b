/** The page, as the build bundles it from `page/`: its place holders are filled in by `document.ts`. */
declare module 'studio-page' {
  /** The length of the page, bytes. */
  export const BYTES: number
  /** The page, deflated, in base64. */
  export const DEFLATED: string
}
