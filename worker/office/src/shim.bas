Option Explicit

' Arguments come as hexadecimal UTF-16, so that nothing in them is read as part of the macro's address.
Function Text(digits As String) As String
  Dim i As Long, result As String
  For i = 1 To Len(digits) Step 4
    result = result & Chr(CLng("&H" & Mid(digits, i, 4)))
  Next i
  Text = result
End Function

' The other way round.
Function Digits(text As String) As String
  Dim i As Long, result As String
  For i = 1 To Len(text)
    result = result & Right("000" & Hex(Asc(Mid(text, i, 1)) And 65535), 4)
  Next i
  Digits = result
End Function

Sub Answer(path As String, line As String)
  Dim handle As Integer
  handle = FreeFile
  Open path For Output As #handle
  Print #handle, line
  Close #handle
End Sub

' How many pages a spreadsheet has, if it is one whose parts can be written apart: its one sheet is the one bookmark.
Function CountPages(document As Object) As Long
  Dim nothing_else(0) As New com.sun.star.beans.PropertyValue
  CountPages = 0
  If document.Sheets.Count = 1 Then CountPages = document.getRendererCount(document, nothing_else())
End Function

' How many pages a text document has, and in `levels` the outline levels of its headings that have a text, one character each; 0 where a
' heading stands anywhere but in the text itself, where it is not found.
Function CountTextPages(document As Object, levels As String) As Long
  Dim paragraphs As Object, paragraph As Object, level As Long, headings As Long
  CountTextPages = 0
  If UBound(document.Links.getByName("Headings").ElementNames) >= 0 Then
    paragraphs = document.Text.createEnumeration()
    Do While paragraphs.hasMoreElements()
      paragraph = paragraphs.nextElement()
      If HasUnoInterfaces(paragraph, "com.sun.star.text.XTextRange") Then
        level = paragraph.getPropertyValue("OutlineLevel")
        If level > 0 Then
          headings = headings + 1
          If paragraph.String <> "" Then levels = levels & Hex(level)
        End If
      End If
    Loop
  End If
  If headings = UBound(document.Links.getByName("Headings").ElementNames) + 1 Then CountTextPages = document.CurrentController.PageCount
End Function

' Divides the process, if it may (see twin.rs): 0 in the first one, 1 in its twin, and -1 where it stays as it is.
Function Divide(path As String) As Long
  MkDir path
  If Environ("CONVERTFLY_TWIN") = "1" Then
    Divide = 1
  ElseIf FileExists(path) Then
    Divide = -1
  Else
    Divide = 0
  End If
End Function

' The pages of one of two parts: of every 2 * stripe pages the first ones, or the others.
Function PagesOf(part As Long, stripe As Long, pages As Long) As String
  Dim first As Long, last As Long, result As String
  For first = 1 + part * stripe To pages Step 2 * stripe
    last = first + stripe - 1
    If last > pages Then last = pages
    If result <> "" Then result = result & ","
    result = result & first & "-" & last
  Next first
  PagesOf = result
End Function

Sub Convert(inUrl As String, inFilter As String, inOptions As String, password As String, outUrl As String, outFilter As String, outOptions As String, perSheet As String, stripe As String, dividePath As String, answerPath As String)
  Dim document As Object, stage As String, loaded As Long, stored As Long, start As Long, message As String, i As Long, names As String, pages As Long, levels As String, part As Long, suffix As String
  Dim load(6) As New com.sun.star.beans.PropertyValue
  Dim store(2) As New com.sun.star.beans.PropertyValue
  On Error GoTo Failed
  ' Basic would let the main thread have a turn every few lines: what that does for a document on a screen (layout in the background, counting words)
  ' takes a sixth of a long document's time. The twin has no main thread and would wait for it.
  EnableReschedule(False)
  stage = "load"
  start = GetSystemTicks()
  load(0).Name = "Hidden"
  load(0).Value = True
  ' Never run the document's macros, never update its links.
  load(1).Name = "MacroExecutionMode"
  load(1).Value = 0
  load(2).Name = "UpdateDocMode"
  load(2).Value = 0
  load(3).Name = "Silent"
  load(3).Value = True
  load(4).Name = "FilterName"
  load(4).Value = Text(inFilter)
  load(5).Name = "FilterOptions"
  load(5).Value = Text(inOptions)
  load(6).Name = "ReadOnly"
  load(6).Value = True
  If Len(password) > 0 Then
    load(6).Name = "Password"
    load(6).Value = Text(password)
  End If
  document = StarDesktop.loadComponentFromURL(Text(inUrl), "_blank", 0, load())
  If IsNull(document) Then
    Answer(Text(answerPath), "failed load no document")
    Exit Sub
  End If
  loaded = GetSystemTicks() - start
  stage = "store"
  start = GetSystemTicks()
  store(0).Name = "FilterName"
  store(0).Value = Text(outFilter)
  store(1).Name = "Overwrite"
  store(1).Value = True
  store(2).Name = "FilterOptions"
  store(2).Value = Text(outOptions)
  If Text(stripe) <> "" Then
    If document.supportsService("com.sun.star.text.TextDocument") Then
      pages = CountTextPages(document, levels)
    Else
      pages = CountPages(document)
    End If
    part = -1
    ' What is short is written by one.
    If pages >= 8 * CLng(Text(stripe)) Then part = Divide(Text(dividePath))
    If part >= 0 Then
      names = " " & Digits("L" & levels)
      store(2).Value = "{""PageRange"":{""type"":""string"",""value"":""" & PagesOf(part, CLng(Text(stripe)), pages) & """}"
      ' A sheet is the one bookmark of its file: the second part would have it again.
      If levels = "" And part = 1 Then store(2).Value = store(2).Value & ",""ExportBookmarks"":{""type"":""boolean"",""value"":""false""}"
      store(2).Value = store(2).Value & "}"
      If part = 1 Then suffix = "1"
    End If
    document.storeToURL(Text(outUrl) & suffix, store())
  ElseIf perSheet = "" Then
    document.storeToURL(Text(outUrl), store())
  Else
    ' A file a sheet, numbered from 1.
    For i = 1 To document.Sheets.Count
      store(2).Value = Text(outOptions) & i
      document.storeToURL(Text(outUrl) & i, store())
      names = names & " " & Digits(document.Sheets.getByIndex(i - 1).Name)
    Next i
  End If
  stored = GetSystemTicks() - start
  ' The twin ends with it.
  If suffix = "" Then document.close(True)
  Answer(Text(answerPath) & suffix, "done " & loaded & " " & stored & names)
  Exit Sub
Failed:
  message = Error$
  On Error Resume Next
  If suffix = "" And Not IsNull(document) Then document.close(True)
  Answer(Text(answerPath) & suffix, "failed " & stage & " " & message)
End Sub
