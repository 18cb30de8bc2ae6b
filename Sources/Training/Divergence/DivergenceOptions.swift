/// What a run does once its numbers are no longer finite.
package struct DivergenceOptions: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// It ends.
    case stop
    /// It goes back to a checkpoint from before, and on from there at half the rate.
    case backOff = "back-off"
  }

  package var kind = Kind.stop
  /// How often a run backs off at most.
  package var limit = 10

  package init() {}
}
