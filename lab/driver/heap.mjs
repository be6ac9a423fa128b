// The events of a run in order of time, and a queue: those of `atrion/simulation`.
export { EventHeap, Fifo } from 'atrion/simulation'
