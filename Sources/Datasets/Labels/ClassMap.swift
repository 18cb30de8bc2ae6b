/// Maps label texts to classes 0…C-1: classes are in the order of their numbers if all texts are numbers, otherwise in
/// the order of their Unicode scalars.
///
/// Numbers are compared by exact value: `2`, `2.0` and `+2` are one class, named by the shortest text seen, or the
/// first of equally short ones. 9007199254740992 and 9007199254740993, which are equal as doubles, are two classes.
/// Texts are compared scalar by scalar: an é of one scalar and an é of two are two classes, as in Python.
package struct ClassMap: Equatable, Sendable {
  /// The name of each class.
  package let names: [String]
  /// Whether labels are compared as numbers.
  package let isNumeric: Bool
  private let classesOfNumbers: [ExactDecimal: Int32]
  private let classesOfTexts: [ScalarText: Int32]

  package var count: Int { names.count }

  /// The classes of these labels.
  package init(_ labels: LabelColumn, ignoring ignored: IgnoredLabel? = nil) {
    self.init(texts: labels.texts.filter { ignored?.matches($0) != true })
  }

  /// The classes of a list of texts, which may contain duplicates.
  package init(texts: [String]) { self.init(texts: texts, numbers: texts.map { ExactDecimal($0) }) }

  /// `numbers` are the values of the texts. The texts are compared as such if one of them has no value.
  private init(texts: [String], numbers: [ExactDecimal?]) {
    isNumeric = numbers.allSatisfy { $0 != nil }
    if isNumeric {
      var shortest: [ExactDecimal: String] = [:]
      for (number, text) in zip(numbers, texts) {
        let known = shortest[number!]
        if known.map({ Self.isBetter(text, than: $0) }) ?? true { shortest[number!] = text }
      }
      let order = shortest.sorted { $0.key < $1.key }
      names = order.map(\.value)
      classesOfNumbers = Dictionary(uniqueKeysWithValues: zip(order.map(\.key), 0...))
      classesOfTexts = [:]
    } else {
      names = Set(texts.map(\.scalars)).sorted().map(\.text)
      classesOfNumbers = [:]
      classesOfTexts = Dictionary(uniqueKeysWithValues: zip(names.map(\.scalars), 0...))
    }
  }

  /// The class of a text; nil if no class has it.
  package func classNumber(of text: String) -> Int32? {
    isNumeric ? ExactDecimal(text).flatMap { classesOfNumbers[$0] } : classesOfTexts[text.scalars]
  }

  /// The class of each row, or the mark of an ignored row. Throws exit code 65 for a label that is not a class here.
  package func classes(
    of labels: LabelColumn, ignoring ignored: IgnoredLabel? = nil
  ) throws(DataError) -> [Int32] {
    var classes: [Int32] = []
    classes.reserveCapacity(labels.texts.count)
    for (text, place) in zip(labels.texts, labels.places) {
      if ignored?.matches(text) == true {
        classes.append(IgnoredLabel.mark)
        continue
      }
      guard let number = classNumber(of: text) else {
        throw .badContents(
          place.path,
          "\(place.text): the label '\(text)' is none of the \(count) classes of the training set, \(summary); "
            + "remove such rows, or train with examples of it")
      }
      classes.append(number)
    }
    return labels.codes.map { classes[Int($0)] }
  }

  /// The first names, for the user.
  var summary: String { names.prefix(3).joined(separator: ", ") + (count > 3 ? ", …" : "") }

  /// The names as integers; nil where one of them is none.
  package var integers: [Int64]? {
    let numbers = names.compactMap { name in
      // A text such as 2.0 is a number that a double holds.
      Int64(name) ?? Double(name).flatMap { abs($0) < 0x1p53 ? Int64(exactly: $0) : nil }
    }
    return numbers.count == count ? numbers : nil
  }

  /// The names as numbers of type double; nil where one of them is none, or has another value as a double.
  package var doubles: [Double]? {
    let numbers = names.compactMap { name in
      Double(name).flatMap { number in ExactDecimal("\(number)") == ExactDecimal(name) ? number : nil }
    }
    return isNumeric && numbers.count == count ? numbers : nil
  }

  package static func == (one: ClassMap, other: ClassMap) -> Bool {
    one.names.map(\.scalars) == other.names.map(\.scalars)
  }

  private static func isBetter(_ text: String, than other: String) -> Bool {
    let (length, otherLength) = (text.unicodeScalars.count, other.unicodeScalars.count)
    return length < otherLength || (length == otherLength && text.scalars < other.scalars)
  }
}

extension ClassMap: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let names = try container.decode([String].self)
    self.init(texts: names)
    // Model files of earlier versions list large numbers in the order of their texts.
    if isNumeric, self.names != names, names.contains(where: { Double($0).map { $0.magnitude > 0x1p53 } ?? false }) {
      self.init(texts: names, numbers: names.map { _ in nil })
    }
    guard self.names == names else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "the names of the classes are not in their order, or one is there twice")
    }
  }

  /// Encodes the names alone; the rest follows from them.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(names)
  }
}

extension [String] {
  /// Whether these names of classes are their positions, 0, 1, …
  var arePositions: Bool { self == indices.map(String.init) }
}
