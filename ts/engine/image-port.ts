/** Images of an engine: all that its decisions depend on, as bytes; of the native engine only, and read by the version that wrote them. */
export interface ImagePort {
  /** The engine as it is; undefined where that is more than `most` bytes. */
  take(most: number): Uint8Array | undefined
  /**
   * Takes over an image: the same routes in the same slots, under names of their own, and the same permits. Of each route two cells, its slot
   * and the number of the law that it had; it has law 0 here. undefined, and nothing changes, where the bytes are no image.
   */
  load(image: Uint8Array): Float64Array | undefined
}
