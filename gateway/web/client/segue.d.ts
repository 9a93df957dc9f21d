// Types of Segue's client.
export {};
