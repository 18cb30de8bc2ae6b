/// A setting that is automatic or given: unless a person gives it, the program chooses it by other settings or the data.
///
/// It reads as its value. What options have in code, by default or by assignment, counts as given; automatic is what a
/// configuration leaves out. Two settings are equal if their values are, however these came about.
@propertyWrapper
public struct Setting<Value: Codable & Equatable & Sendable>: Sendable {
  private enum State: Sendable {
    /// Automatic, and nothing has been chosen yet.
    case open
    /// Automatic, with the program's choice until now.
    case chosen(Value)
    case given(Value)
  }

  private var state: State

  public init(wrappedValue: Value) {
    state = .given(wrappedValue)
  }

  /// Precondition for reading: it is given, or chosen.
  public var wrappedValue: Value {
    get {
      guard let value else { preconditionFailure("a setting is read before it is chosen") }
      return value
    }
    set { state = .given(newValue) }
  }

  public var projectedValue: Setting<Value> {
    get { self }
    set { self = newValue }
  }

  private var value: Value? {
    switch state {
    case .open: nil
    case .chosen(let value), .given(let value): value
    }
  }

  /// Whether the program chooses its value.
  package var isAutomatic: Bool {
    if case .given = state { false } else { true }
  }

  /// Takes `value` if the setting is automatic, and leaves what is given alone. It may be chosen again.
  package mutating func choose(_ value: Value) {
    if isAutomatic { state = .chosen(value) }
  }
}

extension Setting: Equatable {
  public static func == (one: Setting, other: Setting) -> Bool { one.value == other.value }
}

/// A choice of words that has one for the automatic setting as well.
package protocol NamesAutomatic {}

extension Setting {
  /// What stands for the automatic setting of a type that `NamesAutomatic`.
  package static var automaticWord: String? { Value.self is any NamesAutomatic.Type ? "auto" : nil }
}

extension CodingUserInfoKey {
  /// If set, settings are written as null, and null reads as an automatic setting; otherwise each has a value.
  package static let opensSettings = CodingUserInfoKey(rawValue: "fgn.opens-settings")!
}

extension Setting: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if decoder.userInfo[.opensSettings] != nil {
      let word = Self.automaticWord
      if container.decodeNil() || word != nil && (try? container.decode(String.self)) == word {
        state = .open
        return
      }
    }
    state = .given(try container.decode(Value.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if encoder.userInfo[.opensSettings] != nil { try container.encodeNil() } else { try container.encode(wrappedValue) }
  }
}
