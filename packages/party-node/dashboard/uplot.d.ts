/** The node serves the plots' module under this name. */
export { default } from 'uplot';
