/// One line of what `doctor` finds, and what to do about it.
struct Diagnosis {
  enum Kind: String {
    case fine = "ok"
    case note
    case problem
  }

  let kind: Kind
  let subject: String
  let text: String
  /// What to do; empty where there is nothing to do.
  let remedy: String

  static func fine(_ subject: String, _ text: String) -> Diagnosis {
    Diagnosis(kind: .fine, subject: subject, text: text, remedy: "")
  }

  /// Something that may be meant, or costs time only.
  static func note(_ subject: String, _ text: String, _ remedy: String) -> Diagnosis {
    Diagnosis(kind: .note, subject: subject, text: text, remedy: remedy)
  }

  /// Something that keeps runs from working.
  static func problem(_ subject: String, _ text: String, _ remedy: String) -> Diagnosis {
    Diagnosis(kind: .problem, subject: subject, text: text, remedy: remedy)
  }
}

extension Diagnosis: CustomStringConvertible {
  var description: String {
    let head = kind.rawValue.padding(to: 8) + subject.padding(to: 14) + text
    return remedy.isEmpty ? head : head + "\n" + String(repeating: " ", count: 22) + "→ " + remedy
  }
}

extension String {
  fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
