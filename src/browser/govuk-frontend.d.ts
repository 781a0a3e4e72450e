/** The part of GOV.UK Frontend that the page uses; the package brings no types of its own. */
declare module 'govuk-frontend' {
  /** Enhances one element of a component. Throws when the browser or the element is not fit for it. */
  type ComponentClass = { new (root: Element): object; readonly moduleName: string }
  export const Button: ComponentClass
  export const CharacterCount: ComponentClass
  export const ErrorSummary: ComponentClass
  export const SkipLink: ComponentClass
}
