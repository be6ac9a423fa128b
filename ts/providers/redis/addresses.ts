/** Most addresses of a cluster or of sentinels: more than one has nodes are a mistake. */
export const MAX_ADDRESSES = 1024
