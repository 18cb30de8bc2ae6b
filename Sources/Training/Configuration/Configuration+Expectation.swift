import Datasets
import GaussNewton
import Networks

extension Configuration {
  /// What the key at a path takes, as its type says; nil for a type that says so itself in its errors.
  static func expectation(at path: [any CodingKey]) -> String? {
    var type: Any.Type = Configuration.self
    var value: Any? = Configuration()
    for key in path {
      if key.intValue != nil {
        guard let list = unwrapped(type) as? any ListType.Type else { return nil }
        (type, value) = (list.element, nil)
        continue
      }
      let words = key.stringValue.split(separator: "_")
      let name = String(words.first ?? "") + words.dropFirst().map(\.capitalized).joined()
      // A property wrapper keeps its value under the name with a line before it.
      let children = value.map { Mirror(reflecting: $0).children }
      guard let child = children?.first(where: { $0.label == name || $0.label == "_" + name }) else { return nil }
      (type, value) = (Swift.type(of: child.value), child.value)
    }
    let mayBeNull = type is any NullableType.Type
    let setting = type as? any SettingType.Type
    let isChosenIfNull = setting != nil && setting?.automaticWord == nil
    return name(of: unwrapped(type), automaticWord: setting?.automaticWord).map {
      "it must be \(mayBeNull ? "null or " : "")\($0)" + (isChosenIfNull ? ", or null for the program to choose" : "")
    }
  }

  private static func unwrapped(_ type: Any.Type) -> Any.Type {
    (type as? any NullableType.Type)?.wrapped ?? (type as? any SettingType.Type)?.wrapped ?? type
  }

  private static func name(of type: Any.Type, automaticWord: String?) -> String? {
    switch type {
    case is Bool.Type: "true or false"
    case is Int.Type: "a whole number"
    case is UInt64.Type: "a whole number, not negative"
    case is Double.Type: "a number"
    case is String.Type: "text"
    case is [LayerSpecification].Type: "a list of layers, such as [{linear: 128}, relu]"
    case is [Int].Type: "a list of whole numbers"
    case let choice as any (CaseIterable & RawRepresentable).Type:
      "one of " + ([automaticWord].compactMap { $0 } + words(choice)).joined(separator: ", ")
    default: nil
    }
  }

  private static func words<Choice: CaseIterable & RawRepresentable>(_: Choice.Type) -> [String] {
    Choice.allCases.map { "\($0.rawValue)" }
  }
}

/// A setting that may be null, by the type of what it is otherwise.
private protocol NullableType {
  static var wrapped: Any.Type { get }
}

extension Nullable: NullableType {
  static var wrapped: Any.Type { Value.self }
}

private protocol SettingType {
  static var wrapped: Any.Type { get }
  static var automaticWord: String? { get }
}

extension Setting: SettingType {
  static var wrapped: Any.Type { Value.self }
}

private protocol ListType {
  static var element: Any.Type { get }
}

extension Array: ListType {
  static var element: Any.Type { Element.self }
}
