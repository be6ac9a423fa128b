// Settings that the nodes of the demo have in common.
export const NODES = ['A', 'B', 'C']
export const ROUTE = 'orders'
export const USERS = 40
/** Each node's requests come this often, ms. */
export const REQUEST_EACH_MS = 10
/** The provider's interval, ms. */
export const INTERVAL_MS = 100
/** Events that a node reports. */
export const EVENTS = ['patch', 'rollback', 'patch_refused', 'ban', 'unban', 'degraded', 'restored']
