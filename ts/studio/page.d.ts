/** The page, as the build bundles it from `page/`: its place holders are in `studio.ts`. */
declare module 'studio-page' {
  export const PAGE: string
}
