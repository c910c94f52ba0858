<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0"
  xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:odm="http://www.cdisc.org/ns/odm/v1.3"
  xmlns:def="http://www.cdisc.org/ns/def/v2.1"
  xmlns:xlink="http://www.w3.org/1999/xlink"
  exclude-result-prefixes="odm def xlink">
<xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>
<xsl:key name="item" match="odm:ItemDef" use="@OID"/>
<xsl:key name="group" match="odm:ItemGroupDef" use="@OID"/>
<xsl:key name="codes" match="odm:CodeList" use="@OID"/>
<xsl:key name="method" match="odm:MethodDef" use="@OID"/>
<xsl:key name="comment" match="def:CommentDef" use="@OID"/>
<xsl:key name="values" match="def:ValueListDef" use="@OID"/>
<xsl:key name="where" match="def:WhereClauseDef" use="@OID"/>
<xsl:key name="leaf" match="def:leaf" use="@ID"/>
<xsl:key name="standard" match="def:Standard" use="@OID"/>
<xsl:variable name="version" select="/odm:ODM/odm:Study/odm:MetaDataVersion"/>

<xsl:template match="/">
  <html lang="en">
    <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title><xsl:value-of select="$version/@Name"/></title>
      <style>
:root { color-scheme: light; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff; }
header, main, nav { max-width: 82rem; margin: 0 auto; padding: 0 1.2rem; }
header { padding-top: 1.4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; border-bottom: 2px solid #1d4f91; padding-bottom: .2rem; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p { margin: .3rem 0; max-width: 52rem; }
a { color: #1d4f91; }
nav ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .6rem 0; }
dt { color: #4a5666; } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; color: #4a5666; padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .55rem; border-bottom: 1px solid #d5dbe3; }
th { background: #eef2f7; }
thead th { position: sticky; top: 0; }
td.name, th[scope=row] { font-family: ui-monospace, monospace; font-weight: 600; background: none; white-space: nowrap; }
td.number { text-align: right; }
.rule { white-space: pre-line; max-width: 60rem; overflow-wrap: anywhere; }
.code { font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }
.note { color: #4a5666; }
:target { background: #fff6d6; scroll-margin-top: 2.4rem; }
@media (max-width: 48rem) {
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  thead th { position: static; }
  table, tbody, tr, td, th[scope=row], caption { display: block; }
  tr { border: 1px solid #d5dbe3; margin: 0 0 .6rem; padding: .2rem 0; }
  td, th[scope=row] { border: 0; padding: .12rem .6rem; text-align: left; white-space: normal; }
  td.number { text-align: left; }
  td[data-label]::before { content: attr(data-label) ": "; color: #4a5666; }
  td:empty { display: none; }
  dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; }
}
@media print { nav { display: none; } thead { display: table-header-group; } h2, h3 { break-after: avoid; } tr { break-inside: avoid; } }
      </style>
    </head>
    <body>
      <header>
        <h1><xsl:value-of select="$version/@Name"/></h1>
        <p><xsl:value-of select="/odm:ODM/odm:Study/odm:GlobalVariables/odm:StudyDescription"/></p>
        <dl>
          <dt>Data</dt><dd><xsl:value-of select="$version/@Description"/></dd>
          <dt>Standard of this document</dt><dd>Define-XML <xsl:value-of select="$version/@def:DefineVersion"/>, ODM <xsl:value-of select="/odm:ODM/@ODMVersion"/>; context: <xsl:value-of select="/odm:ODM/@def:Context"/></dd>
          <dt>Documents</dt>
          <dd>
            <xsl:for-each select="$version/def:SupplementalDoc/def:DocumentRef">
              <xsl:if test="position() &gt; 1">; </xsl:if>
              <xsl:call-template name="leaf"><xsl:with-param name="id" select="@leafID"/></xsl:call-template>
            </xsl:for-each>
          </dd>
        </dl>
      </header>
      <nav aria-label="Sections">
        <ul>
          <li><a href="#standards">Standards</a></li>
          <li><a href="#datasets">Datasets</a></li>
          <li><a href="#values">Values by parameter</a></li>
          <li><a href="#codelists">Codelists</a></li>
          <li><a href="#methods">Methods</a></li>
          <xsl:for-each select="$version/odm:ItemGroupDef">
            <li><a href="#{@OID}"><xsl:value-of select="@Name"/></a></li>
          </xsl:for-each>
        </ul>
      </nav>
      <main>
        <xsl:call-template name="standards"/>
        <xsl:call-template name="datasets"/>
        <xsl:apply-templates select="$version/odm:ItemGroupDef"/>
        <h2 id="values">Values by parameter</h2>
        <xsl:apply-templates select="$version/def:ValueListDef"/>
        <h2 id="codelists">Codelists</h2>
        <xsl:apply-templates select="$version/odm:CodeList"/>
        <h2 id="methods">Methods</h2>
        <xsl:apply-templates select="$version/odm:MethodDef"/>
      </main>
    </body>
  </html>
</xsl:template>

<xsl:template name="standards">
  <h2 id="standards">Standards</h2>
  <div class="wide"><table>
    <thead><tr><th scope="col">Standard</th><th scope="col">Type</th><th scope="col">Version</th><th scope="col">Status</th></tr></thead>
    <tbody>
      <xsl:for-each select="$version/def:Standards/def:Standard">
        <tr id="{@OID}">
          <th scope="row"><xsl:value-of select="@Name"/><xsl:if test="@PublishingSet"> (<xsl:value-of select="@PublishingSet"/>)</xsl:if></th>
          <td data-label="Type"><xsl:value-of select="@Type"/></td>
          <td data-label="Version"><xsl:value-of select="@Version"/></td>
          <td data-label="Status"><xsl:value-of select="@Status"/></td>
        </tr>
      </xsl:for-each>
    </tbody>
  </table></div>
</xsl:template>

<xsl:template name="datasets">
  <h2 id="datasets">Datasets</h2>
  <div class="wide"><table>
    <thead><tr><th scope="col">Dataset</th><th scope="col">Label</th><th scope="col">Class</th><th scope="col">Structure</th><th scope="col">Keys</th><th scope="col">File</th></tr></thead>
    <tbody>
      <xsl:for-each select="$version/odm:ItemGroupDef">
        <tr>
          <th scope="row"><a href="#{@OID}"><xsl:value-of select="@Name"/></a></th>
          <td data-label="Label"><xsl:value-of select="odm:Description/odm:TranslatedText"/></td>
          <td data-label="Class"><xsl:value-of select="def:Class/@Name"/><xsl:if test="def:Class/def:SubClass">, <xsl:value-of select="def:Class/def:SubClass/@Name"/></xsl:if></td>
          <td data-label="Structure"><xsl:value-of select="@def:Structure"/><xsl:if test="@def:HasNoData"><span class="note"> (no record)</span></xsl:if></td>
          <td data-label="Keys"><xsl:call-template name="keys"/></td>
          <td data-label="File"><xsl:call-template name="leaf"><xsl:with-param name="id" select="@def:ArchiveLocationID"/></xsl:call-template></td>
        </tr>
      </xsl:for-each>
    </tbody>
  </table></div>
</xsl:template>

<xsl:template name="keys">
  <xsl:for-each select="odm:ItemRef[@KeySequence]">
    <xsl:sort select="@KeySequence" data-type="number"/>
    <xsl:if test="position() &gt; 1">, </xsl:if>
    <xsl:value-of select="key('item', @ItemOID)/@Name"/>
  </xsl:for-each>
</xsl:template>

<xsl:template name="leaf">
  <xsl:param name="id"/>
  <a href="{key('leaf', $id)/@xlink:href}"><xsl:value-of select="key('leaf', $id)/def:title"/></a>
</xsl:template>

<xsl:template match="odm:ItemGroupDef">
  <h3 id="{@OID}"><xsl:value-of select="@Name"/>: <xsl:value-of select="odm:Description/odm:TranslatedText"/></h3>
  <p class="note"><xsl:value-of select="key('comment', @def:CommentOID)/odm:Description/odm:TranslatedText"/></p>
  <div class="wide"><table>
    <thead><tr><th scope="col">Variable</th><th scope="col">Label</th><th scope="col">Key</th><th scope="col">Type</th><th scope="col">Length or format</th><th scope="col">Codelist or values</th><th scope="col">Origin and method</th></tr></thead>
    <tbody>
      <xsl:for-each select="odm:ItemRef">
        <xsl:variable name="item" select="key('item', @ItemOID)"/>
        <tr id="{@ItemOID}">
          <th scope="row"><xsl:value-of select="$item/@Name"/></th>
          <td data-label="Label"><xsl:value-of select="$item/odm:Description/odm:TranslatedText"/></td>
          <td class="number" data-label="Key"><xsl:value-of select="@KeySequence"/></td>
          <td data-label="Type"><xsl:value-of select="$item/@DataType"/></td>
          <td data-label="Length or format"><xsl:call-template name="size"><xsl:with-param name="item" select="$item"/></xsl:call-template></td>
          <td data-label="Codelist or values"><xsl:call-template name="within"><xsl:with-param name="item" select="$item"/></xsl:call-template></td>
          <td data-label="Origin"><xsl:call-template name="origin"><xsl:with-param name="item" select="$item"/></xsl:call-template></td>
        </tr>
      </xsl:for-each>
    </tbody>
  </table></div>
</xsl:template>

<xsl:template name="size">
  <xsl:param name="item"/>
  <xsl:choose>
    <xsl:when test="$item/@def:DisplayFormat"><xsl:value-of select="$item/@def:DisplayFormat"/></xsl:when>
    <xsl:when test="$item/@SignificantDigits"><xsl:value-of select="concat($item/@Length, '.', $item/@SignificantDigits)"/></xsl:when>
    <xsl:otherwise><xsl:value-of select="$item/@Length"/></xsl:otherwise>
  </xsl:choose>
</xsl:template>

<xsl:template name="within">
  <xsl:param name="item"/>
  <xsl:for-each select="$item/odm:CodeListRef"><a href="#{@CodeListOID}"><xsl:value-of select="substring-after(@CodeListOID, 'CL.')"/></a></xsl:for-each>
  <xsl:for-each select="$item/def:ValueListRef"><a href="#{@ValueListOID}">by PARAMCD</a></xsl:for-each>
</xsl:template>

<xsl:template name="origin">
  <xsl:param name="item"/>
  <xsl:value-of select="$item/def:Origin/@Type"/>
  <xsl:if test="$item/def:Origin/odm:Description"><xsl:text>: </xsl:text><xsl:value-of select="$item/def:Origin/odm:Description/odm:TranslatedText"/></xsl:if>
  <xsl:if test="@MethodOID"><xsl:text>: </xsl:text><a href="#{@MethodOID}"><xsl:value-of select="key('method', @MethodOID)/@Name"/></a></xsl:if>
  <xsl:if test="$item/@def:CommentOID"><xsl:text> </xsl:text><span class="note"><xsl:value-of select="key('comment', $item/@def:CommentOID)/odm:Description/odm:TranslatedText"/></span></xsl:if>
</xsl:template>

<xsl:template match="def:ValueListDef">
  <h3 id="{@OID}"><xsl:value-of select="substring-after(@OID, 'VL.')"/></h3>
  <div class="wide"><table>
    <thead><tr><th scope="col">Where</th><th scope="col">Value</th><th scope="col">Type</th><th scope="col">Length</th><th scope="col">Origin and method</th></tr></thead>
    <tbody>
      <xsl:for-each select="odm:ItemRef">
        <xsl:variable name="item" select="key('item', @ItemOID)"/>
        <xsl:variable name="check" select="key('where', def:WhereClauseRef/@WhereClauseOID)/odm:RangeCheck"/>
        <tr id="{@ItemOID}">
          <th scope="row"><xsl:value-of select="concat(key('item', $check/@def:ItemOID)/@Name, ' = ', $check/odm:CheckValue)"/></th>
          <td data-label="Value"><xsl:value-of select="$item/odm:Description/odm:TranslatedText"/></td>
          <td data-label="Type"><xsl:value-of select="$item/@DataType"/></td>
          <td data-label="Length"><xsl:call-template name="size"><xsl:with-param name="item" select="$item"/></xsl:call-template></td>
          <td data-label="Origin"><xsl:call-template name="origin"><xsl:with-param name="item" select="$item"/></xsl:call-template></td>
        </tr>
      </xsl:for-each>
    </tbody>
  </table></div>
</xsl:template>

<xsl:template match="odm:CodeList">
  <h3 id="{@OID}"><xsl:value-of select="@Name"/><xsl:if test="odm:Alias"> (<xsl:value-of select="odm:Alias/@Name"/>)</xsl:if></h3>
  <p class="note">
    <xsl:choose>
      <xsl:when test="@def:StandardOID">CDISC Controlled Terminology, <xsl:value-of select="key('standard', @def:StandardOID)/@PublishingSet"/><xsl:text> </xsl:text><xsl:value-of select="key('standard', @def:StandardOID)/@Version"/></xsl:when>
      <xsl:otherwise>Codelist of the sponsor</xsl:otherwise>
    </xsl:choose>
  </p>
  <div class="wide"><table>
    <thead><tr><th scope="col">Term</th><th scope="col">Decode or NCI code</th></tr></thead>
    <tbody>
      <xsl:for-each select="odm:EnumeratedItem | odm:CodeListItem">
        <tr>
          <th scope="row"><xsl:value-of select="@CodedValue"/></th>
          <td><xsl:value-of select="odm:Decode/odm:TranslatedText"/><xsl:value-of select="odm:Alias/@Name"/></td>
        </tr>
      </xsl:for-each>
    </tbody>
  </table></div>
</xsl:template>

<xsl:template match="odm:MethodDef">
  <h3 id="{@OID}"><xsl:value-of select="@Name"/></h3>
  <p class="rule"><xsl:value-of select="odm:Description/odm:TranslatedText"/></p>
  <p class="code"><xsl:for-each select="odm:FormalExpression"><xsl:if test="position() &gt; 1">, </xsl:if><xsl:value-of select="."/></xsl:for-each></p>
</xsl:template>
</xsl:stylesheet>
